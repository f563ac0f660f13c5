# ffmpeg: generated pictures and sound through encoders, decoders, filters and scalers.
run() { ffmpeg -hide_banner -loglevel error -nostdin -y -threads 1 -filter_threads 1 -bitexact "$@"; echo "status $?"; }
video='-f lavfi -i testsrc2=size=176x144:rate=10:duration=1'; audio='-f lavfi -i sine=frequency=440:duration=1'
run $video -f framemd5 -flags +bitexact -
for c in 'libx264 -preset veryfast' 'mpeg4 -q:v 5' mpeg2video mjpeg 'libvpx -b:v 200k -deadline good -cpu-used 2' ffv1 huffyuv; do
  run $video -pix_fmt yuv420p -flags +bitexact -fflags +bitexact -c:v $c -threads 1 -f matroska out.mkv; sha256sum <out.mkv; run -flags +bitexact -i out.mkv -f md5 -
done
for c in 'aac -b:a 64k' ac3 flac 'libmp3lame -b:a 64k' 'libvorbis -q:a 3' 'libopus -b:a 48k' mp2 pcm_s16le; do
  run $audio -ac 1 -ar 48000 -flags +bitexact -fflags +bitexact -c:a $c -f matroska out.mkv; sha256sum <out.mkv; run -flags +bitexact -i out.mkv -f md5 -
done
for f in scale=320:240:flags=lanczos+bitexact+accurate_rnd 'scale=88:72:flags=bicubic' hue=s=0.5 gblur=2 'rotate=0.3' yadif unsharp 'format=rgb24,format=yuv444p' transpose=1 'eq=contrast=1.2'; do run $video -vf "$f" -f md5 -; done
for f in 'aresample=44100' 'lowpass=1000' 'atempo=1.3' 'volume=0.3' 'aecho=0.8:0.9:50:0.3'; do run $audio -af "$f" -f md5 -; done
