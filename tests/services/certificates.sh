#!/bin/sh
# Makes, in the folder $1, a certificate authority and what the tests of TLS need of it, by openssl.
set -e
cd "$1"
umask 077
cat >ca.cnf <<'C'
[ca]
default_ca=a
[a]
dir=.
database=index
new_certs_dir=.
serial=serial
default_md=sha256
policy=p
copy_extensions=copy
unique_subject=no
[p]
commonName=supplied
[req]
distinguished_name=d
[d]
[v3ca]
basicConstraints=critical,CA:TRUE
keyUsage=keyCertSign,cRLSign
subjectKeyIdentifier=hash
C
: >index
echo 1000 >serial
ca() { # name
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 30 -subj "/CN=$1" -config ca.cnf -extensions v3ca
}
key() { # name
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" -config ca.cnf \
        -addext "subjectAltName=$2"
}
sign() { # name, start, end
    openssl ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -in "$1.csr" -out "$1.crt" -startdate "$2" -enddate "$3"
    cat "$1.crt" "$1.key" >"$1.pem"
}
ca ca
ca otherca
key node "DNS:localhost,IP:127.0.0.1"
sign node 20200101000000Z 20990101000000Z
key elsewhere "DNS:elsewhere.example"
sign elsewhere 20200101000000Z 20990101000000Z
key expired "DNS:localhost"
sign expired 20200101000000Z 20210101000000Z
key future "DNS:localhost"
sign future 20980101000000Z 20990101000000Z
openssl req -x509 -newkey rsa:2048 -nodes -keyout stranger.key -out stranger.crt -days 30 -subj /CN=stranger -config ca.cnf
cat stranger.crt stranger.key >stranger.pem
openssl rsa -aes128 -passout pass:secret -in node.key -out node.encrypted.key
cat node.encrypted.key node.crt >node.encrypted.pem
openssl pkcs12 -export -out node.p12 -inkey node.key -in node.crt -certfile ca.pem -passout pass:secret
openssl pkcs12 -export -out ca.p12 -nokeys -in ca.pem -passout pass:secret
openssl x509 -in node.crt -noout -fingerprint -sha1 | sed 's/.*=//' >node.sha1
openssl x509 -in node.crt -noout -fingerprint -sha256 | sed 's/.*=//' >node.sha256
printf '\376\355\376\355\0\0\0\2' >store.jks
