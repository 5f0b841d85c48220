/* Shows and rewrites the configuration of a distribution: what bin/config-parser-utils.sh runs.
 *
 *   flinc-configtool CONF_DIR [--print] [-Dkey=value]... [-rmKey key]... [-rmKV key=value]...
 *                    [-repKV key,old,new]... [-flatten]
 *
 * Without --print the file is replaced by one of flat keys (comments are lost, as in Flink), by a new file that
 * is renamed over it; when CONF_DIR cannot be written, the file itself is overwritten (a mounted file).
 * Flink: FlinkConfigLoader, BashJavaUtils.  Thread: main. */
#include "common/base/fd.h"
#include "common/conf/conf.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

__attribute__((visibility("default"))) int flinc_private_configtool_main(int argc, char **argv);

static int usage(void)
{
    fprintf(stderr, "usage: flinc-configtool CONF_DIR [--print] [-Dkey=value] [-rmKey key] "
                    "[-rmKV key=value] [-repKV key,old,new] [-flatten]\n");
    return 2;
}

static int fail(const struct error *err)
{
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    fprintf(stderr, "flinc-configtool: %s\n", error_format(err, text, sizeof(text)));
    return 1;
}

/* A scalar that YAML reads back as the same text. */
static void append_yaml(struct str *out, const char *value)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

    if (value[0] != '\0' && value[0] != '-' && value[strspn(value, plain)] == '\0') {
        str_append_cstr(out, value);
        return;
    }
    str_append_char(out, '\'');
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\'') {
            str_append_char(out, '\'');
        }
        str_append_char(out, *c);
    }
    str_append_char(out, '\'');
}

static void print_all(const struct conf *conf)
{
    MAP_FOREACH (&conf->entries, e) {
        const struct conf_entry *entry = e->value;
        printf("%s: %s\n", entry->key, entry->value);
    }
}

static int replace_file(const char *path, const struct str *text, struct error *err)
{
    STR_AUTO temporary = STR_INIT;

    str_printf(&temporary, "%s.new-%d", path, (int)getpid());
    int fd = open(str_cstr(&temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool renamed = fd >= 0;
    if (fd < 0) {
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    if (fd < 0) {
        return error_set_errno(err, errno, "writing %s", path);
    }
    int rc = fd_write_all(fd, text->data, text->len) == 0 ? 0 : -errno;
    close(fd);
    if (rc == 0 && renamed && rename(str_cstr(&temporary), path) < 0) {
        rc = -errno;
    }
    if (rc < 0 && renamed) {
        (void)unlink(str_cstr(&temporary));
    }
    return rc < 0 ? error_set_errno(err, -rc, "writing %s", path) : 0;
}

static int rewrite(const struct conf *conf, const char *dir, struct error *err)
{
    STR_AUTO text = STR_INIT;
    STR_AUTO path = STR_INIT;
    STR_AUTO legacy = STR_INIT;

    str_printf(&legacy, "%s/flink-conf.yaml", dir);
    str_printf(&path, "%s/config.yaml", dir);
    bool is_legacy = access(str_cstr(&legacy), F_OK) == 0;
    MAP_FOREACH (&conf->entries, e) {
        const struct conf_entry *entry = e->value;
        str_printf(&text, "%s: ", entry->key);
        if (is_legacy) {
            str_append_cstr(&text, entry->value);
        } else {
            append_yaml(&text, entry->value);
        }
        str_append_char(&text, '\n');
    }
    return replace_file(str_cstr(is_legacy ? &legacy : &path), &text, err);
}

/* "key<separator>rest" into a key and what follows. */
static bool split(const char *text, char separator, struct str *ret_key, const char **ret_rest)
{
    const char *at = strchr(text, separator);
    if (at == NULL || at == text) {
        return false;
    }
    str_append(ret_key, text, (size_t)(at - text));
    *ret_rest = at + 1;
    return true;
}

static int remove_pair(struct conf *conf, const char *text)
{
    STR_AUTO key = STR_INIT;
    const char *value;

    if (!split(text, '=', &key, &value)) {
        return usage();
    }
    const char *present = conf_raw(conf, str_cstr(&key));
    if (present != NULL && strcmp(present, value) == 0) {
        conf_unset(conf, str_cstr(&key));
    }
    return 0;
}

static int replace_pair(struct conf *conf, const char *text)
{
    STR_AUTO key = STR_INIT;
    STR_AUTO old = STR_INIT;
    const char *rest, *value;
    struct error err = ERROR_INIT;

    if (!split(text, ',', &key, &rest) || !split(rest, ',', &old, &value)) {
        return usage();
    }
    const char *present = conf_raw(conf, str_cstr(&key));
    if (present != NULL && strcmp(present, str_cstr(&old)) == 0 &&
        conf_set(conf, str_cstr(&key), value, &err) < 0) {
        return fail(&err);
    }
    return 0;
}

/* Carries one argument out; *i may move to its value. */
static int apply(struct conf *conf, int argc, char **argv, int *i, bool *ret_print)
{
    const char *a = argv[*i];
    struct error err = ERROR_INIT;
    bool takes_value = strcmp(a, "-rmKey") == 0 || strcmp(a, "-rmKV") == 0 ||
                       strcmp(a, "-repKV") == 0 || strcmp(a, "-D") == 0;

    if (strcmp(a, "--print") == 0) {
        *ret_print = true;
        return 0;
    }
    if (strcmp(a, "-flatten") == 0) {
        return 0; /* keys are written flat always */
    }
    if (takes_value && *i + 1 == argc) {
        return usage();
    }
    if (strcmp(a, "-rmKey") == 0) {
        conf_unset(conf, argv[++*i]);
        return 0;
    }
    if (strcmp(a, "-rmKV") == 0) {
        return remove_pair(conf, argv[++*i]);
    }
    if (strcmp(a, "-repKV") == 0) {
        return replace_pair(conf, argv[++*i]);
    }
    if (cstr_starts_with(a, "-D")) {
        const char *property = a[2] != '\0' ? a + 2 : argv[++*i];
        return conf_set_dynamic(conf, property, &err) < 0 ? fail(&err) : 0;
    }
    return usage();
}

int flinc_private_configtool_main(int argc, char **argv)
{
    struct error err = ERROR_INIT;
    struct conf conf;
    bool print = false;
    int status = 0;

    if (argc < 2) {
        return usage();
    }
    conf_init(&conf, NULL);
    int rc = conf_load_dir(&conf, argv[1], &err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        status = fail(&err);
    }
    for (int i = 2; i < argc && status == 0; i++) {
        status = apply(&conf, argc, argv, &i, &print);
    }
    if (status == 0 && print) {
        print_all(&conf);
    } else if (status == 0 && rewrite(&conf, argv[1], &err) < 0) {
        status = fail(&err);
    }
    conf_fini(&conf);
    return status;
}
