/* Keytabs and the environment of GSS (kerberos.h).  A keytab of MIT: 05 02, then entries: i32 size (negative: a hole), u16 number of
 * components, the realm and the components (each u16 size and bytes), and what does not matter here. */
#include "common/fs/hdfs/kerberos.h"

#include "common/fs/fs.h"

#include <stdlib.h>

enum { KEYTAB_MAX = 1024 * 1024, COMPONENTS_MAX = 16 };

static char *copy_of(const struct conf *conf, const char *key)
{
    const char *text = conf_string(conf, key);
    return text != NULL && text[0] != '\0' ? mem_strdup(text) : NULL;
}

void kerberos_login_read(const struct conf *conf, struct kerberos_login *ret)
{
    *ret = (struct kerberos_login){.keytab = copy_of(conf, "security.kerberos.login.keytab"),
                                   .principal = copy_of(conf, "security.kerberos.login.principal"),
                                   .krb5_conf = copy_of(conf, "security.kerberos.krb5-conf.path"),
                                   .uses_ticket_cache =
                                       conf_bool(conf, "security.kerberos.login.use-ticket-cache")};
}

void kerberos_login_fini(struct kerberos_login *l)
{
    mem_free(l->keytab);
    mem_free(l->principal);
    mem_free(l->krb5_conf);
    *l = (struct kerberos_login){.keytab = NULL};
}

/* ---- keytabs ------------------------------------------------------------------------------------------------ */

static uint64_t take_number(struct slice *rest, size_t size, bool *good)
{
    uint64_t value = 0;
    *good = *good && rest->len >= size;
    for (size_t i = 0; i < size && *good; i++) {
        value = value << 8 | (uint8_t)rest->data[i];
    }
    if (*good) {
        *rest = slice_make(rest->data + size, rest->len - size);
    }
    return value;
}

static struct slice take_text(struct slice *rest, bool *good)
{
    size_t n = (size_t)take_number(rest, 2, good);
    *good = *good && rest->len >= n;
    struct slice text = slice_make(rest->data, *good ? n : 0);
    if (*good) {
        *rest = slice_make(rest->data + n, rest->len - n);
    }
    return text;
}

int kerberos_first_principal(struct slice keytab, struct str *ret_principal, struct error *err)
{
    bool good = true;
    struct slice rest = keytab;
    int32_t size = 0;
    good = take_number(&rest, 2, &good) == 0x0502 && good;
    while (good && size <= 0) {
        size = (int32_t)take_number(&rest, 4, &good);
        if (good && size < 0) {
            size_t hole = (size_t) - (int64_t)size;
            good = rest.len >= hole;
            rest = good ? slice_make(rest.data + hole, rest.len - hole) : rest;
        }
        good = good && size != 0;
    }
    uint64_t n = take_number(&rest, 2, &good);
    struct slice realm = take_text(&rest, &good);
    str_clear(ret_principal);
    for (uint64_t i = 0; i < n && good && n <= COMPONENTS_MAX; i++) {
        str_append_cstr(ret_principal, i > 0 ? "/" : "");
        str_append_slice(ret_principal, take_text(&rest, &good));
    }
    if (!good || n == 0 || n > COMPONENTS_MAX) {
        return error_set(err, ERR_CORRUPT, "it is no keytab with a key");
    }
    str_append_char(ret_principal, '@');
    str_append_slice(ret_principal, realm);
    return 0;
}

static int read_keytab(const char *path, struct str *ret_principal, struct error *err)
{
    struct fs_input *in = NULL;
    STR_AUTO bytes = STR_INIT;
    size_t n = 0;
    TRY(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, err));
    size_t size = (size_t)MIN(fs_input_size(in), (uint64_t)KEYTAB_MAX);
    str_reserve(&bytes, size + 1);
    int rc = fs_input_read_at(in, 0, bytes.data, size, &n, err);
    bytes.len = rc == 0 ? n : 0;
    fs_input_close(in);
    TRY(rc);
    return kerberos_first_principal(str_slice(&bytes), ret_principal, err);
}

/* ---- the environment ------------------------------------------------------------------------------------------ */

/* "flink@REALM" is meant by "flink", too. */
static bool is_same(const char *wanted, const char *found)
{
    size_t len = strlen(wanted);
    return strcmp(wanted, found) == 0 ||
           (strchr(wanted, '@') == NULL && strncmp(wanted, found, len) == 0 && found[len] == '@');
}

int kerberos_login_use(const struct kerberos_login *l, struct error *err)
{
    STR_AUTO first = STR_INIT;
    STR_AUTO name = STR_INIT;
    struct error why = ERROR_INIT;
    if (l->krb5_conf != NULL) {
        setenv("KRB5_CONFIG", l->krb5_conf, 1);
    }
    if (l->keytab == NULL) {
        return 0;
    }
    if (read_keytab(l->keytab, &first, &why) < 0) {
        return error_set(err, ERR_INVALID_CONFIG, "security.kerberos.login.keytab: %s: %s",
                         l->keytab, why.message);
    }
    if (l->principal != NULL && !is_same(l->principal, str_cstr(&first))) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "security.kerberos.login.principal: the first principal of %s is %s, not "
                         "%s, and the first is taken: make a keytab of this one (ktutil)",
                         l->keytab, str_cstr(&first), l->principal);
    }
    str_printf(&name, "FILE:%s", l->keytab);
    setenv("KRB5_CLIENT_KTNAME", str_cstr(&name), 1);
    if (!l->uses_ticket_cache || getenv("KRB5CCNAME") == NULL) {
        setenv("KRB5CCNAME", "MEMORY:flinc", 1); /* tickets of the keytab alone, of this process */
    }
    return 0;
}
