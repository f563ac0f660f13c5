# gzip, bzip2, xz and zstd: half noise as text and half numbers, there and back.
bytes=$((${MEGABYTES:-100} * 1000000))
openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 0 -in /dev/zero 2>/dev/null | head -c $((bytes / 3)) | base64 >data
seq 1 $((bytes / 8)) | head -c $((bytes - $(stat -c %s data))) >>data
stat -c %s data; sha256sum data
for z in 'gzip -n1' 'gzip -n6' 'bzip2 -1' 'xz -0' 'xz -2 -T1' 'zstd -1 -T1 -q' 'zstd -6 -T1 -q' 'zstd -3 --long=27 -T1 -q'; do
  $z -c data >packed; echo "$z status $?"; stat -c %s packed; sha256sum <packed; ${z%% *} -t packed 2>/dev/null; echo "test $?"; ${z%% *} -dc <packed | sha256sum
done
