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
};
void kerberos_login_read(const struct conf *conf, struct kerberos_login *ret);
void kerberos_login_fini(struct kerberos_login *l);
/* Puts it into the environment of the process.  ERR_INVALID_CONFIG: the keytab is none, or its first principal is another one
 * (GSS takes the first). */
int kerberos_login_use(const struct kerberos_login *l, struct error *err) MUST_CHECK;

/* ---- for tests -------------------------------------------------------------------------------------------- */

/* "flink/host@REALM" of the first entry of a keytab's bytes; ERR_CORRUPT: it has none. */
int kerberos_first_principal(struct slice keytab, struct str *ret_principal,
                             struct error *err) MUST_CHECK;

#endif
