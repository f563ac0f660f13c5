# gcc: compiles C at every level of optimization in the guest; what the programs print is compared.
cat >a.c <<'END'
#include <complex.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
struct tree { struct tree *l, *r; uint64_t key; double v; };
static uint64_t seed = 88172645463325252u;
static uint64_t next(void) { seed ^= seed << 13; seed ^= seed >> 7; seed ^= seed << 17; return seed; }
static struct tree *put(struct tree *t, uint64_t k) {
  if (!t) { t = calloc(1, sizeof *t); t->key = k; t->v = sqrt((double)k); return t; }
  if (k < t->key) t->l = put(t->l, k); else if (k > t->key) t->r = put(t->r, k);
  return t;
}
static double walk(struct tree *t, int d) { return t ? walk(t->l, d + 1) * 0.5 + t->v / d + walk(t->r, d + 1) : 0; }
static int compare(const void *a, const void *b) { uint32_t x = *(uint32_t *)a, y = *(uint32_t *)b; return (x > y) - (x < y); }
static long sum(int n, ...) { va_list l; va_start(l, n); long s = 0; while (n--) s = s * 31 + va_arg(l, int); va_end(l); return s; }
static jmp_buf env;
static void deep(int n) { if (!n) longjmp(env, 42); deep(n - 1); }
static float fa[1024], fb[1024]; static double m[48][48], n[48][48], o[48][48]; static int16_t sa[4096]; static uint8_t ba[4096];
int main(void) {
  struct tree *t = 0;
  for (int i = 0; i < 5000; i++) t = put(t, next() >> 20);
  printf("%.17g\n", walk(t, 1));
  for (int i = 0; i < 48; i++) for (int j = 0; j < 48; j++) { m[i][j] = (double)(next() % 1000) / 7; n[i][j] = 1.0 / (i + j + 1); }
  for (int i = 0; i < 48; i++) for (int j = 0; j < 48; j++) { double s = 0; for (int k = 0; k < 48; k++) s += m[i][k] * n[k][j]; o[i][j] = s; }
  double tr = 0; for (int i = 0; i < 48; i++) tr += o[i][i]; printf("%.17g\n", tr);
  for (int i = 0; i < 1024; i++) { fa[i] = (float)(int)(next() % 2001 - 1000) / 3; fb[i] = fa[i] * 1.5f - i; }
  float mx = fa[0], dot = 0; for (int i = 0; i < 1024; i++) { if (fb[i] > mx) mx = fb[i]; dot += fa[i] * fb[i]; } printf("%a %a\n", mx, dot);
  int32_t acc = 0; uint32_t h = 2166136261u; for (int i = 0; i < 4096; i++) { sa[i] = (int16_t)next(); ba[i] = (uint8_t)next(); }
  for (int i = 0; i < 4096; i++) acc += sa[i] * ba[i]; for (int i = 0; i < 4096; i++) h = (h ^ ba[i]) * 16777619u;
  for (int i = 0; i < 4096; i++) { int v = sa[i] + ba[i] * 3; sa[i] = v > 32767 ? 32767 : v < -32768 ? -32768 : v; } for (int i = 0; i < 4096; i++) acc ^= (int32_t)((uint32_t)(uint16_t)sa[i] << (i & 15)); printf("%d %u\n", acc, h);
  int pc = 0, lz = 0, tz = 0; uint64_t bs = 0; for (int i = 0; i < 1000; i++) { uint64_t x = next(); pc += __builtin_popcountll(x); lz += __builtin_clzll(x); tz += __builtin_ctzll(x); bs ^= __builtin_bswap64(x) + (x >> (i & 63) | x << (-i & 63)); } printf("%d %d %d %" PRIx64 "\n", pc, lz, tz, bs);
  unsigned __int128 w = 1; for (int i = 0; i < 60; i++) w = w * (next() | 1) + i; printf("%" PRIx64 "%016" PRIx64 "\n", (uint64_t)(w >> 64), (uint64_t)w); printf("%" PRIu64 " %" PRIu64 "\n", (uint64_t)(w / 1000000007), (uint64_t)(w % 1000000007));
  uint32_t *q = malloc(20000 * 4); for (int i = 0; i < 20000; i++) q[i] = (uint32_t)next(); qsort(q, 20000, 4, compare); uint32_t c = 0; for (int i = 0; i < 20000; i++) c = c * 31 + q[i]; printf("%u %u %u\n", q[0], q[19999], c);
  printf("%ld %d\n", sum(5, 1, -2, 3, -4, 5), setjmp(env) ? 1 : (deep(50), 0));
  double complex z = 0.3 + 0.5 * I; for (int i = 0; i < 20; i++) z = z * z + (0.1 - 0.2 * I); z = cexp(z) / csqrt(z); printf("%.15g %.15g\n", creal(z), cimag(z));
  printf("%.17g %.17g %.17g %.17g %.17g %.17g %.17g %.17g\n", sin(1e5), tan(1.3), exp(-20.5), pow(1.1, 77.7), log1p(1e-9), cbrt(5), tgamma(4.5), fma(1e16, 1.0000001, -1e16)); printf("%.9g %.9g %.9g\n", sinf(2), expf(1.5f), powf(2, 0.3f));
  long double l = 1; for (int i = 1; i < 40; i++) l = l * i / 3.7L + 1 / l; printf("%.30Lg %Lg\n", l, sqrtl(l));
  printf("%d %d %u %" PRId64 " %d %d\n", (int)-3.99, (int)1e30 == 2147483647, (unsigned)3e9, (int64_t)-1e18, isnan(0.0 / (double)(argc0())), signbit(-0.0) != 0); char s[64]; snprintf(s, 64, "%.3e|%08.2f|%g|%+d|%#x|%-6s|%5.1s|", 12345.678, -3.14159, 1e-5, 7, 255, "ab", "xyz"); puts(s); printf("%zu %d %s\n", strlen(s), memcmp(s, "1.2", 3), strstr(s, "0x")); printf("%.17g %ld %g\n", strtod("0.1e-5xyz", 0), strtol("-0777", 0, 0), strtod("0x1.8p3", 0));
  _Float16 f16 = 1.0f; for (int i = 0; i < 10; i++) f16 = f16 * (_Float16)1.3f + (_Float16)0.1f; printf("%a\n", (double)f16);
  return 17;
}
END
sed -i 's/isnan(0.0 \/ (double)(argc0()))/isnan(0.0 \/ zero)/; s/^static jmp_buf env;/static jmp_buf env; volatile double zero;/' a.c
for o in -O0 -O1 -O2 -O3 -Os '-O2 -march=armv8.2-a+fp16+dotprod' '-O3 -march=armv8.4-a+crypto+fp16fml' '-O2 -fsanitize=undefined -fsanitize-undefined-trap-on-error' '-Og -static -g'; do
  gcc $o -std=gnu11 -ffp-contract=off -w -o a a.c -lm 2>err; echo "gcc $o status $?"; head -n 5 err; $RUN ./a; echo "status $?"
done
gcc -O2 -S -o - a.c -w | sha256sum; gcc -E a.c | wc -l; gcc -O2 -w -c a.c && objdump -d a.o | sha256sum; nm a.o; size a.o; readelf -hS a.o; ar rcs lib.a a.o; ar t lib.a; strip a.o; objdump -h a.o
cat >e.c <<'END'
int f(int x) { return x +; }
END
gcc -c e.c 2>&1; echo "status $?"
cat >t.c <<'END'
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <string.h>
static atomic_long a; static long g; static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER; static __thread int tl; static volatile sig_atomic_t got;
static void *work(void *p) { for (int i = 0; i < 20000; i++) { atomic_fetch_add(&a, 1); tl++; pthread_mutex_lock(&m); g += tl & 3; pthread_mutex_unlock(&m); } return (void *)(long)tl; }
static void handler(int s) { got = s; }
int main(void) {
  pthread_t t[4]; for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, work, 0); long s = 0; for (int i = 0; i < 4; i++) { void *r; pthread_join(t[i], &r); s += (long)r; } printf("%ld %ld %ld\n", (long)a, g, s);
  signal(SIGUSR1, handler); raise(SIGUSR1); printf("signal %d\n", (int)got);
  unsigned *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); int total = 0;
  for (int i = 0; i < 300; i++) { code[0] = 0x52800000 | i << 5; code[1] = 0xd65f03c0; __builtin___clear_cache((char *)code, (char *)(code + 2)); total = total * 3 + ((int (*)(void))code)(); } printf("%d\n", total);
  fflush(stdout); if (!fork()) { *(volatile int *)0 = 1; _exit(1); } int st; wait(&st); printf("%d %d\n", WIFSIGNALED(st), 1);
  fflush(stdout); if (!fork()) { signal(SIGILL, SIG_DFL); __builtin_trap(); } wait(&st); printf("%d %d\n", WIFSIGNALED(st), WTERMSIG(st));
}
END
for o in -O0 -O2 '-O2 -march=armv8.1-a'; do gcc $o -pthread -o t t.c && $RUN ./t; echo "status $?"; done
