# python3's own tests of arithmetic, packing, compression, digests, JSON and regular expressions, and a few programs.
python3.11 -c 'import sys, math, struct, hashlib, zlib, json, re, decimal, fractions
print(sys.version_info[:2], sys.byteorder, sys.maxsize, sys.float_info)
x = 0.1
for i in range(100000): x = x * 1.000001 + math.sin(x) * 1e-6
print(repr(x), math.sqrt(2), math.gamma(5.5), math.erf(0.5), math.lgamma(100.5), math.fsum([0.1] * 10), math.hypot(3, 4, 5), math.remainder(7, 2.5))
print(3 ** 500 % 10 ** 60, pow(3, 10 ** 6, 10 ** 9 + 7), math.factorial(60), 2 ** 200 // 3 ** 50, math.isqrt(10 ** 41))
print(decimal.Decimal(2).sqrt(decimal.Context(60)), fractions.Fraction(355, 113) ** 3, complex(1, 2) ** complex(0.5, -1), 1e16 + 1.1, float.hex(0.1), round(2.675, 2), 7 // -2, -7 % 3, divmod(-7.5, 2))
data = bytes((i * 37 + i // 256) & 255 for i in range(200000))
for n in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b", "blake2s"): print(n, hashlib.new(n, data).hexdigest())
print(zlib.crc32(data), zlib.adler32(data), len(zlib.compress(data, 9)), hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 2000).hex())
print(json.dumps({"a": [1, 2.5, None, True, "\u20ac"], "b": {"c": 1e-300}}), json.loads("[1e400, -0.0, 123456789012345678901234567890]"))
print(re.sub(r"(\w+) (\w+)", r"\2 \1", "the quick brown fox"), re.findall(r"\b\w{5}\b", "the quick brown fox jumps"))
import random; random.seed(42); print(random.random(), random.gauss(0, 1), random.sample(range(100), 5), random.getrandbits(100))
s = sorted(random.random() for _ in range(20000)); print(s[0], s[-1], sum(s))
import threading; r = []; t = [threading.Thread(target=lambda i=i: r.append(sum(range(i * 1000)))) for i in range(8)]; [a.start() for a in t]; [a.join() for a in t]; print(sorted(r))
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
print(fib(20), [p for p in range(2, 100) if all(p % d for d in range(2, int(p ** 0.5) + 1))])
import datetime, textwrap, itertools, collections, bisect, heapq, statistics, unicodedata, base64, binascii, array, pickle, lzma, bz2
print(datetime.date(2024, 2, 29) + datetime.timedelta(days=366), statistics.stdev([1, 2, 3, 4, 100]), collections.Counter("mississippi").most_common(2), unicodedata.name("\u20ac"), array.array("d", [1.5, 2.5]).tobytes().hex(), pickle.loads(pickle.dumps({1: (2, [3.5])})))
print(len(lzma.compress(data)), len(bz2.compress(data)), bz2.decompress(bz2.compress(data)) == data == lzma.decompress(lzma.compress(data)))
sys.exit(5)'
echo "status $?"
for test in test_float test_math test_struct test_zlib test_hashlib test_json test_re; do
  python3.11 -m test.$test -v >out 2>&1; status=$?
  # without times, addresses and the order of sets
  grep -E ' \.\.\. |^(OK|FAILED|ERROR|FAIL)' out | grep -v '^Ran ' | sed 's/0x[0-9a-f]*//g'
  [ $status = 0 ] || tail -n 60 out
  echo "$test status $status"
done
