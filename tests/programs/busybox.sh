# busybox: its shell and its applets.
bb() { busybox "$@" 2>&1; echo "status $?"; }

busybox | head -1
busybox sh -c 'i=0; s=0; while [ $i -lt 30000 ]; do i=$((i + 1)); s=$((s + i * i % 7)); done; echo $i $s'
busybox seq 1 500 >numbers
for sum in md5sum sha1sum sha256sum sha512sum sha3sum cksum crc32 sum; do bb $sum numbers; done
busybox awk '{ s += $1 * 1.5; t = t $1 } END { print s, length(t), s / 7, sin(s), exp(-1), log(s), atan2(1, 2), 2 ^ 10, 7 % 3 }' numbers
busybox awk 'BEGIN { for (i = 0; i < 2000; i++) a[i % 17] = a[i % 17] + i; for (i = 0; i < 17; i++) printf "%d,", a[i]; printf "%.10f %e %g\n", 1 / 3, 12345.678, 1e-10 }'
busybox bc -l <<END
scale=50
4*a(1)
e(2)
2^200
END
busybox dc -e '2 200 ^ p 17 % p' 2>&1
busybox sed -n '/9$/{s/9/nine/;p}' numbers | busybox head -3
busybox grep -c '[13579]$' numbers; bb grep -E '^(1|2)00$' numbers; bb grep none numbers
busybox sort -rn numbers | busybox head -2; busybox sort numbers | busybox md5sum; busybox tac numbers | busybox tail -n 1
busybox gzip -c numbers | busybox md5sum
for z in gzip bzip2 xz lzma; do busybox tar cf - numbers | busybox $z -c 2>&1 | busybox wc -c >/dev/null; echo "$z $?"; done
busybox bzip2 -c numbers | busybox bunzip2 -c | busybox cmp - numbers; echo "status $?"
busybox gzip -9c numbers | busybox gunzip -c | busybox cmp - numbers; echo "status $?"
mkdir -p t/u; cp numbers t/u/a; ln -s a t/u/b; busybox tar cf t.tar t; busybox tar tf t.tar; mkdir x; busybox tar xf t.tar -C x; busybox find x | busybox sort
busybox find t -type f | busybox cpio -o -H newc 2>/dev/null | busybox cpio -t 2>/dev/null
busybox od -An -tx1 -N 16 numbers; busybox hexdump -C -n 32 numbers; busybox xxd -l 32 numbers; busybox strings /bin/busybox | busybox grep -c . >/dev/null; echo $?
busybox uuencode -m n <numbers | busybox uudecode -o - | busybox cmp - numbers; echo "status $?"
busybox base64 numbers | busybox md5sum; busybox factor 600851475143 99991
busybox diff -u numbers t/u/a; busybox seq 2 501 >other; busybox diff numbers other | busybox tail -n +1; bb cmp numbers other
busybox printf '%s %d %x %c %5.1f\n' a 12 255 z 2.25; bb expr 3 + 4 '*' 5; bb test 1 -gt 2; bb date -u -d @1000000000 '+%F %T'
busybox cal 2 2024; busybox basename /a/b.c .c; busybox dirname /a/b; bb ls nothing; busybox cut -d0 -f2 numbers | busybox uniq -c | busybox sort -n | busybox tail -n 2
busybox vi --help 2>&1 | busybox head -1; busybox ed numbers 2>&1 <<END
1,3p
s/3/three/
.p
Q
END
busybox tr a-z A-Z <<END
The End
END
