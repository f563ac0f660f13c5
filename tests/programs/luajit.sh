# LuaJIT: a tracing compiler; the same programs with and without it.
cat >a.lua <<'END'
local bit, ffi = require 'bit', require 'ffi'
print(jit.version:match('LuaJIT [%d.]+'), jit.arch, jit.os)
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(27))
local x = 0.1 for i = 1, 2000000 do x = x * 1.0000001 + math.sin(x) * 1e-7 end print(string.format('%.17g', x))
local s = {} for i = 2, 200000 do s[i] = true end for i = 2, 447 do if s[i] then for j = i * i, 200000, i do s[j] = false end end end local n = 0 for i = 2, 200000 do if s[i] then n = n + 1 end end print(n)
local h = 2166136261 for i = 1, 500000 do h = bit.tobit(bit.bxor(h, bit.band(i, 255)) * 403) h = bit.rol(h, 5) end print(h, bit.tohex(h), bit.bswap(h), bit.arshift(h, 3))
local t = {} for i = 1, 50000 do t[i] = (i * 7919) % 100003 end table.sort(t) print(t[1], t[25000], t[50000], table.concat(t, ',', 1, 10))
local parts = {} for i = 1, 20000 do parts[#parts + 1] = ('%d:%x;'):format(i, i * i) end local str = table.concat(parts) print(#str, str:sub(-20), select(2, str:gsub('%d+:', '')), str:find('1000:', 1, true), str:rep(2):len(), str:reverse():sub(1, 5), str:byte(100))
local m, k = 0, 200 for py = 0, 59 do for px = 0, 99 do local a, b, cr, ci, i = 0, 0, px / 40 - 2, py / 30 - 1, 0 while a * a + b * b < 4 and i < k do a, b, i = a * a - b * b + cr, 2 * a * b + ci, i + 1 end m = m + i end end print(m)
ffi.cdef [[ typedef struct { double x, y; int32_t n; uint8_t b[8]; } P; int abs(int); size_t strlen(const char *); double sqrt(double); int snprintf(char *, size_t, const char *, ...); void qsort(void *, size_t, size_t, int (*)(const void *, const void *)); ]]
local p = ffi.new('P[1000]') for i = 0, 999 do p[i].x, p[i].y, p[i].n = i * 0.5, i / 3, i end local q = 0 for r = 1, 200 do for i = 0, 999 do q = q + p[i].x * p[i].y - p[i].n p[i].b[i % 8] = i end end print(string.format('%.17g', q), p[999].b[7], ffi.sizeof('P'))
local l = 0ULL for i = 1, 300000 do l = l * 6364136223846793005ULL + 1442695040888963407ULL end print(l, tonumber(l % 1000ULL), 5LL / -2LL, -7LL % 3LL, 2LL ^ 40)
local c = 0 for i = 1, 100000 do c = c + ffi.C.abs(-i) end print(c, tonumber(ffi.C.strlen('hello')), ffi.C.sqrt(2))
local buf = ffi.new('char[64]') ffi.C.snprintf(buf, 64, '%d %.3f %s', ffi.cast('int', 42), 3.14159, 'x') print(ffi.string(buf))
local arr = ffi.new('int[100]') for i = 0, 99 do arr[i] = (i * 37) % 101 end local cb = ffi.cast('int (*)(const void *, const void *)', function(a, b) return ffi.cast('const int *', a)[0] - ffi.cast('const int *', b)[0] end) ffi.C.qsort(arr, 100, 4, cb) print(arr[0], arr[50], arr[99])
local co = coroutine.wrap(function() for i = 1, 100000 do coroutine.yield(i) end end) local z = 0 for i = 1, 100000 do z = z + co() end print(z)
local mt = setmetatable({}, { __index = function(_, k) return k * 2 end, __call = function(_, a) return a + 1 end, __add = function(a, b) return 7 end }) local y = 0 for i = 1, 200000 do y = y + mt[i] + mt(i) end print(y, mt + mt)
for i = 1, 200 do local f = loadstring('local a = 0 for i = 1, 200 do a = (a * ' .. i .. ' + i) % 1000003 end return a') y = y + f() end print(y)
print(pcall(error, { code = 1 }), select('#', pcall(string.rep)), pcall(function() local a = nil; return a.b end))
local function deopt(a) return a + 1 end for i = 1, 1000 do deopt(i) end print(deopt('41'), deopt(1.5), pcall(deopt, {}))
print(1 / 0, -1 / 0, 0 / 0 ~= 0 / 0, 2 ^ 53, 1e300 * 1e10, math.floor(-3.5), -7 % 3, 7 % -3, 5.5 % 2, math.fmod(-7, 3), math.huge, tostring(1e15), tostring(0.1), 1e100, tonumber('0x1p4'), string.format('%5.1f|%g|%q|%5s|%-5s|%c', 3.14159, 1e20, 'a\n"', 'x', 'y', 65))
collectgarbage() for i = 1, 200000 do local a = { i, { i } } if i % 50000 == 0 then collectgarbage() end end print(collectgarbage('count') > 0)
os.exit(4)
END
sed -i 's/print(pcall(error, { code = 1 }), /print((pcall(error, { code = 1 })), /; s/pcall(deopt, {}))/(pcall(deopt, {})))/' a.lua
luajit a.lua 2>&1; echo "status $?"
luajit -joff a.lua 2>&1 | sha256sum; luajit -O1 a.lua 2>&1 | sha256sum; luajit -Ohotloop=3,hotexit=2 a.lua 2>&1 | sha256sum
luajit -bl a.lua | sed 's/0x[0-9a-f]*//g' | grep -v '^-- BYTECODE' | sha256sum
