/* Keytabs and the environment of GSS (kerberos.h).  A keytab of MIT: 05 02, then entries: i32 size (negative: a hole), u16 number of
 * components, the realm and the components (each u16 size and bytes), and what does not matter here. */
#include "common/fs/hdfs/kerberos.h"

#include "common/fs/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KEYTAB_MAX = 1024 * 1024, KEYTAB_MAGIC = 0x0502, COMPONENTS_MAX = 16 };

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
    mem_free(l->found);
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

/* The next entry that is no hole, and whose it is; false: there is none, or, not good, these are no entries. */
static bool take_entry(struct slice *rest, struct slice *ret_entry, struct str *ret_principal,
                       bool *good)
{
    int32_t size = 0;
    while (*good && rest->len > 0 && size <= 0) {
        *ret_entry = *rest;
        size = (int32_t)take_number(rest, 4, good);
        size_t n = size < 0 ? (size_t) - (int64_t)size : (size_t)size;
        *good = *good && size != 0 && rest->len >= n;
        if (*good) {
            *rest = slice_make(rest->data + n, rest->len - n);
        }
    }
    if (!*good || size <= 0) {
        return false;
    }
    ret_entry->len = sizeof(uint32_t) + (size_t)size;
    struct slice body = slice_make(ret_entry->data + sizeof(uint32_t), (size_t)size);
    uint64_t n = take_number(&body, 2, good);
    struct slice realm = take_text(&body, good);
    str_clear(ret_principal);
    for (uint64_t i = 0; i < n && *good && n <= COMPONENTS_MAX; i++) {
        str_append_cstr(ret_principal, i > 0 ? "/" : "");
        str_append_slice(ret_principal, take_text(&body, good));
    }
    str_append_char(ret_principal, '@');
    str_append_slice(ret_principal, realm);
    return *good = *good && n > 0 && n <= COMPONENTS_MAX;
}

/* "flink@REALM" is meant by "flink", too. */
static bool is_same(const char *wanted, const char *found)
{
    size_t len = strlen(wanted);
    return strcmp(wanted, found) == 0 ||
           (strchr(wanted, '@') == NULL && strncmp(wanted, found, len) == 0 && found[len] == '@');
}

static void add_to_list(struct str *list, const char *principal)
{
    const char *last = list->len > 0 ? strrchr(str_cstr(list), ' ') : NULL;
    if (strcmp(last != NULL ? last + 1 : str_cstr(list), principal) == 0) {
        return; /* another key of it */
    }
    str_printf(list, "%s%s", list->len > 0 ? ", " : "", principal);
}

int kerberos_find_keys(struct slice keytab, const char *wanted, struct str *ret_principal,
                       struct str *ret_keys, struct error *err)
{
    bool good = true, is_first = true;
    struct slice rest = keytab, entry;
    STR_AUTO principal = STR_INIT;
    STR_AUTO all = STR_INIT;
    good = take_number(&rest, 2, &good) == KEYTAB_MAGIC && good;
    str_clear(ret_principal);
    str_clear(ret_keys);
    while (take_entry(&rest, &entry, &principal, &good)) {
        add_to_list(&all, str_cstr(&principal));
        bool is_it = ret_principal->len > 0
                         ? strcmp(str_cstr(&principal), str_cstr(ret_principal)) == 0
                         : wanted == NULL || is_same(wanted, str_cstr(&principal));
        if (is_it && ret_principal->len == 0) {
            str_append_slice(ret_principal, str_slice(&principal));
            if (!is_first) {
                str_append(ret_keys, keytab.data, 2);
            }
        }
        if (is_it && ret_keys->len > 0) {
            str_append_slice(ret_keys, entry);
        }
        is_first = false;
    }
    if (!good || all.len == 0) {
        return error_set(err, ERR_CORRUPT, "it is no keytab with a key");
    }
    if (ret_principal->len == 0) {
        return error_set(err, ERR_NOT_FOUND, "it has no key of %s, but of %.300s", wanted,
                         str_cstr(&all));
    }
    return 0;
}

static int read_keytab(const char *path, struct str *ret_bytes, struct error *err)
{
    struct fs_input *in = NULL;
    size_t n = 0;
    TRY(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, err));
    size_t size = (size_t)MIN(fs_input_size(in), (uint64_t)KEYTAB_MAX);
    str_reserve(ret_bytes, size + 1);
    int rc = fs_input_read_at(in, 0, ret_bytes->data, size, &n, err);
    ret_bytes->len = rc == 0 ? n : 0;
    fs_input_close(in);
    return rc;
}

/* ---- the environment ------------------------------------------------------------------------------------------ */

/* GSS takes the first principal of a keytab.  The keys of another one are put where it finds nothing else: a file in memory
 * that no other process sees. */
static int keep_keys(const struct str *keys, struct str *ret_path, struct error *err)
{
    static int kept = -1; /* the last one; Thread: that of registration */
    int fd = memfd_create("flinc-keytab", MFD_CLOEXEC);
    if (fd < 0 || write(fd, keys->data, keys->len) != (ssize_t)keys->len) {
        int cause = errno;
        if (fd >= 0) {
            close(fd);
        }
        return error_set_errno(err, cause, "keeping the keys of a principal");
    }
    if (kept >= 0) {
        close(kept);
    }
    kept = fd;
    str_printf(ret_path, "/proc/self/fd/%d", fd);
    return 0;
}

int kerberos_login_use(struct kerberos_login *l, struct error *err)
{
    STR_AUTO bytes = STR_INIT;
    STR_AUTO found = STR_INIT;
    STR_AUTO keys = STR_INIT;
    STR_AUTO path = STR_INIT;
    STR_AUTO name = STR_INIT;
    struct error why = ERROR_INIT;
    if (l->krb5_conf != NULL) {
        setenv("KRB5_CONFIG", l->krb5_conf, 1);
    }
    if (l->keytab != NULL || !l->uses_ticket_cache) {
        setenv("KRB5CCNAME", "MEMORY:flinc", 1); /* not the tickets that somebody else got */
    }
    if (l->keytab == NULL) {
        return 0;
    }
    int rc = read_keytab(l->keytab, &bytes, &why);
    rc = rc == 0 ? kerberos_find_keys(str_slice(&bytes), l->principal, &found, &keys, &why) : rc;
    if (rc < 0) {
        return error_set(err, ERR_INVALID_CONFIG, "%s: %s: %s",
                         rc == ERR_NOT_FOUND && bytes.len > 0 ? "security.kerberos.login.principal"
                                                              : "security.kerberos.login.keytab",
                         l->keytab, why.message);
    }
    str_append_cstr(&path, keys.len == 0 ? l->keytab : "");
    if (keys.len > 0) {
        TRY(keep_keys(&keys, &path, err));
    }
    mem_free(l->found);
    l->found = str_take(&found);
    str_printf(&name, "FILE:%s", str_cstr(&path));
    setenv("KRB5_CLIENT_KTNAME", str_cstr(&name), 1);
    return 0;
}

void kerberos_login_describe(const struct kerberos_login *l, struct str *ret)
{
    const char *cache = getenv("KRB5CCNAME");
    if (l->keytab != NULL) {
        str_printf(ret, "%s (%s)", l->found != NULL ? l->found : "nobody", l->keytab);
    } else if (!l->uses_ticket_cache) {
        str_append_cstr(ret, "nobody (security.kerberos.login.use-ticket-cache is false)");
    } else {
        str_printf(ret, "the owner of the ticket cache %s",
                   cache != NULL && cache[0] != '\0' ? cache : "that klist shows");
    }
}
