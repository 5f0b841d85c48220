/* Inside the room: OpenSSL, loaded on first use and kept, as a struct of its functions.  Nothing links libssl, so
 * that workers and programs that embed Flinc pay nothing for it while TLS is off.  Thread: any. */
#ifndef FLINC_COMMON_NET_TLS_OPENSSL_H
#define FLINC_COMMON_NET_TLS_OPENSSL_H

#include "common/base/error.h"

/* OpenSSL has a type of this name, we have a code. */
#define ERR_STATE openssl_err_state
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

/* What is called of libssl and, found through it, libcrypto. */
#define OPENSSL_FUNCTIONS(X)               \
    X(BIO_free)                            \
    X(BIO_get_data)                        \
    X(BIO_clear_flags)                     \
    X(BIO_meth_new)                        \
    X(BIO_meth_set_ctrl)                   \
    X(BIO_meth_set_read_ex)                \
    X(BIO_meth_set_write_ex)               \
    X(BIO_new)                             \
    X(BIO_new_mem_buf)                     \
    X(BIO_set_data)                        \
    X(BIO_set_flags)                       \
    X(BIO_set_init)                        \
    X(ERR_clear_error)                     \
    X(ERR_error_string_n)                  \
    X(ERR_get_error)                       \
    X(ERR_peek_last_error)                 \
    X(ERR_reason_error_string)             \
    X(EVP_PKEY_free)                       \
    X(EVP_sha1)                            \
    X(EVP_sha256)                          \
    X(OPENSSL_cipher_name)                 \
    X(OPENSSL_init_ssl)                    \
    X(OPENSSL_sk_num)                      \
    X(OPENSSL_sk_pop_free)                 \
    X(OPENSSL_sk_value)                    \
    X(PEM_read_bio_PrivateKey)             \
    X(PEM_read_bio_X509_AUX)               \
    X(PKCS12_free)                         \
    X(PKCS12_get0_mac)                     \
    X(PKCS12_mac_present)                  \
    X(PKCS12_parse)                        \
    X(PKCS12_verify_mac)                   \
    X(ASN1_INTEGER_get)                    \
    X(SSL_CTX_ctrl)                        \
    X(SSL_CTX_free)                        \
    X(SSL_CTX_get_cert_store)              \
    X(SSL_CTX_new)                         \
    X(SSL_CTX_set_cert_verify_callback)    \
    X(SSL_CTX_set_cipher_list)             \
    X(SSL_CTX_set_ciphersuites)            \
    X(SSL_CTX_set_default_read_buffer_len) \
    X(SSL_CTX_set_default_verify_paths)    \
    X(SSL_CTX_set_options)                 \
    X(SSL_CTX_set_session_id_context)      \
    X(SSL_CTX_set_timeout)                 \
    X(SSL_CTX_sess_set_new_cb)             \
    X(SSL_CTX_set_verify)                  \
    X(SSL_CTX_use_PrivateKey)              \
    X(SSL_CTX_use_certificate)             \
    X(SSL_SESSION_free)                    \
    X(SSL_ctrl)                            \
    X(SSL_do_handshake)                    \
    X(SSL_free)                            \
    X(SSL_get0_param)                      \
    X(SSL_get_error)                       \
    X(SSL_get_ex_data)                     \
    X(SSL_get_ex_data_X509_STORE_CTX_idx)  \
    X(SSL_get_version)                     \
    X(SSL_new)                             \
    X(SSL_read_ex)                         \
    X(SSL_session_reused)                  \
    X(SSL_set_accept_state)                \
    X(SSL_set_bio)                         \
    X(SSL_set_connect_state)               \
    X(SSL_set_ex_data)                     \
    X(SSL_set_session)                     \
    X(SSL_set_shutdown)                    \
    X(SSL_shutdown)                        \
    X(SSL_write_ex)                        \
    X(TLS_method)                          \
    X(X509_STORE_CTX_get0_cert)            \
    X(X509_STORE_CTX_get_error)            \
    X(X509_STORE_CTX_get_ex_data)          \
    X(X509_STORE_CTX_set_error)            \
    X(X509_STORE_add_cert)                 \
    X(X509_STORE_set_flags)                \
    X(X509_VERIFY_PARAM_set1_host)         \
    X(X509_VERIFY_PARAM_set1_ip_asc)       \
    X(X509_VERIFY_PARAM_set_hostflags)     \
    X(X509_check_private_key)              \
    X(X509_digest)                         \
    X(X509_free)                           \
    X(X509_up_ref)                         \
    X(X509_verify_cert)                    \
    X(X509_verify_cert_error_string)       \
    X(d2i_PKCS12)

#define OPENSSL_FIELD(name) typeof(name) *name;
struct openssl {
    OPENSSL_FUNCTIONS(OPENSSL_FIELD)
};
#undef OPENSSL_FIELD

/* ERR_UNAVAILABLE: OpenSSL 3 is not installed. */
int openssl_load(const struct openssl **ret, struct error *err) MUST_CHECK;
/* What OpenSSL last said on this thread, as people read it, and forgets it; "" when it said nothing. */
const char *openssl_reason(const struct openssl *o, char *buf, size_t size);

#endif
