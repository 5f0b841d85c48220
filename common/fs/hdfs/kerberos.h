/* Kerberos for SPNEGO: libcurl asks the system's GSS for tickets, which takes them from the process's ticket cache, or from a
 * keytab by itself and in time (KRB5_CLIENT_KTNAME).
 *
 * Thread: before others ask for tickets.  Flink: HadoopModule, security.kerberos.login.*. */
#ifndef FLINC_COMMON_FS_HDFS_KERBEROS_H
#define FLINC_COMMON_FS_HDFS_KERBEROS_H

#include "common/conf/conf.h"

struct kerberos_login {
    char *keytab, *principal, *krb5_conf; /* Own; NULL: not configured */
    bool uses_ticket_cache;
    char *found; /* Owns; the principal of the keytab that is taken */
};
void kerberos_login_read(const struct conf *conf, struct kerberos_login *ret);
void kerberos_login_fini(struct kerberos_login *l);
/* Puts it into the environment of the process.  ERR_INVALID_CONFIG: the keytab is none, or has no key of the principal. */
int kerberos_login_use(struct kerberos_login *l, struct error *err) MUST_CHECK;
/* Whose tickets these are, for messages; appended. */
void kerberos_login_describe(const struct kerberos_login *l, struct str *ret);

/* ---- for tests -------------------------------------------------------------------------------------------- */

/* "flink/host@REALM": whose keys in a keytab's bytes are `wanted` (with or without a realm; NULL: the first), and a keytab with
 * these alone, empty when they are the first anyway.  ERR_CORRUPT: these are no keys; ERR_NOT_FOUND: none of `wanted`. */
int kerberos_find_keys(struct slice keytab, const char *wanted, struct str *ret_principal,
                       struct str *ret_keys, struct error *err) MUST_CHECK;

#endif
