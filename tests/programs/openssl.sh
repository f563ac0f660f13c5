# openssl: digests, MACs, ciphers, key derivation, signatures of every kind, and speed runs to their end.
openssl version | cut -d' ' -f 1,2
seq 1 60000 >data; printf abc >abc; : >empty
for d in md5 sha1 sha224 sha256 sha384 sha512 sha512-224 sha512-256 sha3-224 sha3-256 sha3-384 sha3-512 shake128 shake256 blake2b512 blake2s256 sm3 ripemd160; do
  for f in empty abc data; do openssl dgst -$d $f 2>/dev/null; done; echo "status $?"
done
openssl dgst -sha256 -hmac key data; openssl dgst -sha3-512 -hmac key data; openssl mac -macopt key:00112233445566778899aabbccddeeff -macopt cipher:AES-128-CBC -in data CMAC; openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f -in data Poly1305; openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -in data SipHash; openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt cipher:AES-128-GCM -macopt hexiv:000102030405060708090a0b -in data GMAC; openssl mac -macopt key:0123456789abcdef0123456789abcdef -in data KMAC256
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f; iv=f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff
for c in aes-128-ecb aes-128-cbc aes-128-ctr aes-128-cfb aes-128-cfb8 aes-128-ofb aes-192-cbc aes-192-ctr aes-256-ecb aes-256-cbc aes-256-ctr aes-256-cfb1 aria-128-ctr aria-256-cbc camellia-128-cbc camellia-256-ctr chacha20 des-ede3-cbc sm4-cbc sm4-ctr; do
  openssl enc -$c -K $key -iv $iv -in data -out enc 2>/dev/null; sha256sum <enc; openssl enc -d -$c -K $key -iv $iv -in enc 2>/dev/null | cmp - data; echo "$c $?"
done
openssl enc -aes-256-cbc -pbkdf2 -iter 5000 -S 0011223344556677 -pass pass:secret -in data | sha256sum; openssl enc -base64 -in abc
openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt pass:password -kdfopt salt:salt -kdfopt iter:4096 PBKDF2; openssl kdf -keylen 64 -kdfopt pass:password -kdfopt salt:NaCl -kdfopt n:1024 -kdfopt r:8 -kdfopt p:2 SCRYPT; openssl kdf -keylen 40 -kdfopt digest:SHA512 -kdfopt key:secret -kdfopt salt:salt -kdfopt info:label HKDF
for p in -1 -5 -6; do openssl passwd $p -salt saltsalt password; done
for bits in 1024 2048; do openssl genrsa -out rsa $bits 2>/dev/null; openssl rsa -in rsa -check -noout 2>&1; openssl rsa -in rsa -pubout -out rsa.pub 2>/dev/null
  for d in sha1 sha256 sha512; do openssl dgst -$d -sign rsa -out sig data; openssl dgst -$d -verify rsa.pub -signature sig data; openssl dgst -$d -verify rsa.pub -signature sig abc 2>/dev/null; done
  openssl pkeyutl -encrypt -pubin -inkey rsa.pub -pkeyopt rsa_padding_mode:oaep -in abc | openssl pkeyutl -decrypt -inkey rsa -pkeyopt rsa_padding_mode:oaep; echo " $?"
  openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sign rsa -out sig data; openssl dgst -sha256 -sigopt rsa_padding_mode:pss -verify rsa.pub -signature sig data; done
for curve in prime256v1 secp384r1 secp521r1 secp256k1 brainpoolP256r1 sect283r1; do openssl ecparam -name $curve -genkey -noout -out ec 2>/dev/null; openssl ec -in ec -pubout -out ec.pub 2>/dev/null; openssl ec -in ec -check -noout 2>&1 | tail -n 1
  openssl dgst -sha256 -sign ec -out sig data; openssl dgst -sha256 -verify ec.pub -signature sig data; openssl dgst -sha256 -verify ec.pub -signature sig abc 2>/dev/null
  openssl ecparam -name $curve -genkey -noout -out ec2; openssl ec -in ec2 -pubout -out ec2.pub 2>/dev/null; openssl pkeyutl -derive -inkey ec -peerkey ec2.pub -out s1; openssl pkeyutl -derive -inkey ec2 -peerkey ec.pub -out s2; cmp s1 s2; echo "$curve $?"; done
for a in ed25519 ed448; do openssl genpkey -algorithm $a -out ed; openssl pkey -in ed -pubout -out ed.pub; openssl pkeyutl -sign -inkey ed -rawin -in data -out sig; openssl pkeyutl -verify -pubin -inkey ed.pub -rawin -in data -sigfile sig; openssl pkeyutl -verify -pubin -inkey ed.pub -rawin -in abc -sigfile sig; echo "$a $?"; done
for a in x25519 x448; do openssl genpkey -algorithm $a -out k1; openssl genpkey -algorithm $a -out k2; openssl pkey -in k1 -pubout -out k1.pub; openssl pkey -in k2 -pubout -out k2.pub; openssl pkeyutl -derive -inkey k1 -peerkey k2.pub -out s1; openssl pkeyutl -derive -inkey k2 -peerkey k1.pub -out s2; cmp s1 s2; echo "$a $?"; done
openssl dhparam -dsaparam -out dh 1024 2>/dev/null; openssl genpkey -paramfile dh -out d1; openssl genpkey -paramfile dh -out d2; openssl pkey -in d1 -pubout -out d1.pub; openssl pkey -in d2 -pubout -out d2.pub; openssl pkeyutl -derive -inkey d1 -peerkey d2.pub -out s1; openssl pkeyutl -derive -inkey d2 -peerkey d1.pub -out s2; cmp s1 s2; echo "dh $?"
cat >known.pem <<END
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
END
openssl pkey -in known.pem -pubout; openssl pkeyutl -sign -inkey known.pem -rawin -in data | sha256sum
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 10 -config /dev/null -addext basicConstraints=critical,CA:TRUE 2>/dev/null; openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout s.key -out s.csr -subj /CN=s -config /dev/null 2>/dev/null; openssl x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 5 -out s.pem 2>/dev/null; openssl verify -CAfile ca.pem s.pem; openssl x509 -in s.pem -noout -subject -issuer
openssl cms -encrypt -aes256 -binary -in abc -outform DER ca.pem 2>/dev/null | openssl cms -decrypt -inform DER -inkey ca.key -recip ca.pem; echo " $?"
openssl prime 1000000007 170141183460469231731687303715884105727 1000000008; openssl prime -generate -bits 256 | wc -c >/dev/null; echo $?
for s in '-evp aes-128-cbc' '-evp aes-256-gcm' '-evp chacha20-poly1305' '-evp sha256' '-evp sha512' '-evp sha3-256' 'md5' 'ghash' 'rsa1024' 'ecdsap256' 'ed25519' 'ecdhx25519'; do openssl speed -seconds 1 -bytes 1024 $s >speed 2>&1; echo "speed $s status $?"; done
