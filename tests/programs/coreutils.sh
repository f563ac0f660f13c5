# coreutils, diffutils, findutils, grep, sed, mawk, bc and dc: what they print, and their exit statuses.
step() { echo "== $*"; }
run() { "$@" 2>&1; echo "status $?"; }

step numbers
seq 1 3 20
seq -w 8 11
seq -f '%.3e' 0.1 0.25 2
seq 1e15 1000000000000003
factor 1 2 97 1001 4294967297 18446744073709551557
numfmt --to=iec 1 1023 1024 1500000 999999999999
numfmt --from=si 1K 2.5M 3G
numfmt --to-unit=3 --format='%.4f' 10 20
run numfmt 1x
expr 7 \* 6 + 100 / 7 % 9
run expr 9223372036854775807 + 1
run expr abcdef : 'a\(.*\)e'
run expr 1 '<' 0
printf '%d %i %o %x %X %e %g %a\n' 42 -42 42 255 255 3.14159 0.00001 1.5
printf '%s|%10s|%-10s|%.2s|%b|%q\n' a b c defg 'x\ty\101' "it's"
run printf '%d\n' 12abc

step text
seq 1 200 >numbers
head -n 3 numbers; head -c 7 numbers; tail -n 2 numbers; tail -c 5 numbers; tail -n +198 numbers
head -n -197 numbers
shuf --random-source=/test/coreutils.sh -i 1-20 | tr '\n' ' '; echo
sort -R --random-source=/test/coreutils.sh numbers | md5sum
printf '%s\n' banana Apple cherry apple 10 9 1e3 -5 0x1F | sort
printf '%s\n' 10 9 1e3 -5 0x1F 2.5e-3 nan inf | sort -g
printf '%s\n' 1K 2M 3G 512 1T | sort -h
printf '%s\n' v1.10 v1.9 v1.2.3 v1.2 | sort -V
printf 'b 2\na 10\na 9\nc 1\n' | sort -k1,1 -k2,2nr
printf 'a\na\nb\nc\nc\nc\n' >runs; uniq -c runs; uniq -d runs; uniq -u runs
printf 'c\nA\nb\n' | sort -f -r
sort -c numbers 2>&1; echo "status $?"
sort -n numbers | sort -nc; echo "status $?"
cut -c 1-2 numbers | sort -u | wc
printf 'a:b:c\nd:e:f\n' | cut -d: -f 2- --output-delimiter=,
printf 'a b\nc d\n' >left; printf 'a 1\nc 2\ne 3\n' >right
join left right; join -a 2 -e none -o 0,1.2,2.2 left right
paste left right; paste -sd, numbers | md5sum
comm left right; tac left right
printf 'ab\tc\td\n' | expand -t 4; printf '        x\n' | unexpand
fold -w 10 -s <<END
The quick brown fox jumps over the lazy dog
END
fmt -w 30 <<END
The quick brown fox jumps over the lazy dog.  The quick brown
fox jumps over
the lazy dog.
END
nl -ba -w 3 left; pr -t -3 -l 10 numbers | head -5
rev left; tr a-z A-Z <left; tr -cd '0-9\n' <right; tr -s a <<END
baaad
END
od -A x -t x1z -N 32 numbers; od -t f8 -N 16 numbers; od -t d4 -N 8 numbers; od -c -N 12 left
wc numbers left right; wc -L numbers
split -l 50 -d numbers part.; ls part.*; cat part.* | cmp - numbers; echo "status $?"
csplit -s numbers 10 50 100; wc -l xx*
ptx -w 40 left; tsort <<END
a b
b c
a d
d c
END

step sums
head -c 1000000 /dev/zero | tr '\0' 'x' >million
for sum in md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum sum; do $sum million; done
for a in bsd sysv crc blake2b sm3; do cksum -a $a numbers; done
sha256sum numbers left >sums; sha256sum -c sums; echo x >>left; sha256sum -c sums 2>&1; echo "status $?"
base64 numbers | md5sum; base64 numbers | base64 -d | cmp - numbers; base32 left; basenc --base16 left; basenc --z85 <<END
123
END

step files
mkdir -p a/b/c; touch -d '2020-02-29 12:34:56.789 UTC' a/b/file; ln -s b a/link; ln a/b/file a/hard
stat -c '%n %F %s %a %h %N' a a/b/file a/link a/hard; stat -c %y a/b/file
chmod 4750 a/b/file; stat -c %A a/b/file; chmod u-s,o+x,g=u a/b/file; stat -c %A a/b/file
cp -a a copy; find copy | sort; find copy -type l -printf '%p -> %l\n'; find copy -newermt 2021-01-01 -type d | sort
mv copy/hard copy/b/c; ls -R copy; ls -l --time-style=full-iso a/b/file | cut -d' ' -f 1,5-
rm -r copy; run ls copy; run rmdir a; run mkdir a
dd if=million of=cut bs=1000 skip=3 count=5 conv=ucase 2>/dev/null; md5sum cut; truncate -s 12345 cut; stat -c %s cut
readlink -f a/link/file; realpath --relative-to=a/b/c numbers; basename a/b/file .e; dirname a/b/file; pathchk -p 'a?b'; echo "status $?"
install -m 640 numbers installed; stat -c %a installed; shred -u -n 1 installed; run cat installed
mktemp -u XXXX | wc -c; tee one two <left | cat; cmp one two; echo "status $?"
df . >/dev/null; echo "status $?"; du -b a/b/file; du --apparent-size -b million

step conditions
run test 3 -lt 5; run test -d a; run test a = b; run test; run [ -s million -a ! -L a ]
run true; run false; run timeout 1 sleep 10; run nice -n 3 true; env -i A=1 env | grep A=; run nohup echo x
date -u -d @0 '+%F %T %j %U %a %B'; date -u -d '2024-02-29 + 1 year' +%F; date -u -d 'last friday' +%a; date -u -d '1970-01-01 UTC + 1234567890 seconds' +%c
id -u; whoami 2>&1; tty; uname -sm; arch; nproc --all >/dev/null; echo "status $?"; logname 2>/dev/null; echo "status $?"
kill -l | head -3; kill -l 9 TERM; echo a b c | xargs -n 1 echo -; printf 'a\0b\0' | xargs -0 -I% echo '<%>'; yes | head -n 100000 | md5sum

step sed
sed -n '2,4p;$=' numbers; sed -E 's/([0-9])([0-9])/\2-\1/g;10q' numbers; sed '/5$/!d;s/$/!/' numbers | head -3
sed -e ':a' -e '$!{N;ba' -e '}' -e 's/\n/+/g' numbers | bc; sed 'y/abc/xyz/;h;G' right; sed -n 'l 20' left; run sed 'k'

step grep
grep -c 7 numbers; grep -n '^1.*9$' numbers; grep -E '^(.)\1$' numbers; grep -o '[a-z]*' right; grep -w -A1 -B1 42 numbers; grep -v '[0-8]' numbers
grep -P '^(?=.*1)(?=.*2)\d{3}$' numbers | head -3; run grep nothing numbers; grep -F -x 100 numbers; grep -r b left right; echo 'äöü ÄÖÜ' | grep -io 'ÖÜ'; run grep '[' numbers

step awk
awk '{ s += $1; q += $1 * $1 } END { print s, q, s / NR, sqrt(q), exp(1), log(10), sin(1), cos(1), atan2(1, -1), int(-3.7), 2 ^ 0.5 }' numbers
awk 'BEGIN { for (i = 0; i < 10; i++) printf "%s ", substr("abcdefghij", i + 1, 3); print length("xyz"), index("hello", "ll"), toupper("aBc"); while (n < 5) { n++; a[n] = n * n } for (i = 1; i in a; i++) printf "%d ", a[i]; print ""; printf "%5.2f|%-8s|%08.3e|%c|%x\n", 3.14159, "ab", 12345.678, 65, 255 }'
awk -F: '{ gsub(/[aeiou]/, "<&>"); print $0, NF; split($0, p, ""); print p[1] }' left; awk 'BEGIN { x = 0.1; for (i = 0; i < 100; i++) x = x * 1.1 + 1e-7; printf "%.17g\n", x; print 1e300 * 1e300, -log(0), 1 / 3 }'

step bc
echo 'scale=100; 4*a(1); e(1); sqrt(2); s(1)' | BC_LINE_LENGTH=0 bc -l; echo '2^1000; 2^521 % 1000000007; obase=16; 255^10; ibase=2; 1011' | bc; dc -e '20 k 2 v p 10 _3 * p 16 o 255 p 3 5 ^ p'
run bc -q /dev/null; echo '1/0' | bc 2>&1; echo "status $?"

step diff
seq 1 20 >old; sed '5d;10s/.*/ten/;$a 21' old >new; run diff old new; diff -u --label old --label new old new; diff -y -W 30 old new; diff3 old new old; sdiff -s -w 30 old new; run cmp old new; cmp -l old new | head -3

step dash
dash -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo $i; f() { [ $1 -le 1 ] && echo 1 && return; echo $(($1 * $(f $(($1 - 1))))); }; f 6; echo $((0x7fffffffffffffff + 1)) $((-7 / 2)) $((-7 % 3)) $((1 << 40 | 5 ^ 3))'
dash -c 'trap "echo trapped" EXIT; x=abcabc; echo ${x#a} ${x##*b} ${x%c} ${x%%b*} ${#x} ${y:-z} ${x:+w}; set -- 1 2 3; shift; echo $# "$*"; case hello in h*o) echo match;; esac; kill -TERM $$; echo not reached'
echo "status $?"
seq 1 300 | while read -r n; do echo "$n $((n * n))"; done | sort -k2 -n -r | head -3
