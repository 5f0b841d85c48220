/* Where a configuration comes from: config.yaml, the legacy flink-conf.yaml, -D. */
#include "common/conf/conf.h"
#include "common/text/json_writer.h"
#include "common/text/yaml.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char modern_name[] = "config.yaml";
static const char legacy_name[] = "flink-conf.yaml";

/* ---- files --------------------------------------------------------------------------------- */

static int read_open_file(int fd, const char *path, struct str *out, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return error_set_errno(err, errno, "reading %s", path);
    }
    if (S_ISDIR(st.st_mode)) {
        return error_set(err, ERR_INVALID_CONFIG, "%s is a folder, not a configuration file", path);
    }
    for (;;) {
        str_reserve(out, 4096);
        ssize_t n = read(fd, out->data + out->len, 4096);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_set_errno(err, errno, "reading %s", path);
        }
        if (n == 0) {
            return 0;
        }
        out->len += (size_t)n;
        out->data[out->len] = '\0';
        if (out->len > CONF_FILE_MAX_BYTES) {
            return error_set(err, ERR_TOO_LARGE, "%s is over %d bytes: is it a configuration file?",
                             path, CONF_FILE_MAX_BYTES);
        }
    }
}

static int read_file(const char *path, struct str *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening the configuration %s", path);
    }
    int rc = read_open_file(fd, path, out, err);
    close(fd);
    return rc;
}

/* ---- config.yaml --------------------------------------------------------------------------- */

/* One walk over the tree; the path of keys down to here is the prefix. */
struct flattener {
    struct conf *conf;  /* Borrows */
    const char *name;   /* Borrows: file */
    struct str key;     /* Owns: "a.b" */
    struct map seen;    /* Owns: full keys of this file -> line */
    struct str scratch; /* Owns */
};

static const struct conf_option *option_of(const struct flattener *f)
{
    const struct conf_option *option;
    enum conf_match match = conf_schema_match(f->conf->schema, str_cstr(&f->key), &option);
    return match == CONF_MATCH_MAP_KEY ? NULL : option;
}

static void append_as_json(const struct yaml_node *node, struct str *out)
{
    struct json_writer w;
    json_writer_init(&w, out, JSON_STYLE_COMPACT);
    yaml_node_write_json(node, &w);
    json_writer_finish(&w);
}

/* A YAML list becomes the option's own list text.  Options of type text that hold several values
 * take them between commas in Flink. */
static void append_list(const struct flattener *f, const struct yaml_node *list, struct str *out)
{
    const struct conf_option *option = option_of(f);
    bool comma = option != NULL && option->type == CONF_TYPE_STRING;
    STR_AUTO item = STR_INIT;
    for (size_t i = 0; i < list->n; i++) {
        const struct yaml_node *node = list->items[i];
        str_clear(&item);
        if (node->type == YAML_TYPE_SCALAR) {
            str_append(&item, node->text, node->text_len);
        } else {
            append_as_json(node, &item);
        }
        if (i > 0) {
            str_append_char(out, comma ? ',' : ';');
        }
        if (comma) {
            str_append_slice(out, str_slice(&item));
        } else {
            option_text_append_item(out, str_slice(&item), ';');
        }
    }
}

static int flatten(struct flattener *f, const struct yaml_node *node, int line, struct error *err);

static int flatten_map(struct flattener *f, const struct yaml_node *map, struct error *err)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_entry *entry = &map->entries[i];
        size_t prefix_len = f->key.len;
        if (prefix_len > 0) {
            str_append_char(&f->key, '.');
        }
        str_append_cstr(&f->key, entry->key);
        TRY(flatten(f, entry->value, entry->line, err));
        f->key.len = prefix_len;
        f->key.data[prefix_len] = '\0';
    }
    return 0;
}

static int flatten_leaf(struct flattener *f, const char *value, int line, struct error *err)
{
    const char *key = str_cstr(&f->key);
    uintptr_t first_line = (uintptr_t)map_find(&f->seen, key);
    if (first_line != 0) {
        return error_set(err, ERR_INVALID_CONFIG, "%s:%d: the key %s is there already, in line %d",
                         f->name, line, key, (int)first_line);
    }
    map_put(&f->seen, key, (void *)(uintptr_t)line);
    struct conf_place place = {CONF_ORIGIN_FILE, f->name, line};
    return conf_set_at(f->conf, place, key, value, err);
}

static int flatten(struct flattener *f, const struct yaml_node *node, int line, struct error *err)
{
    if (node->type == YAML_TYPE_MAP) {
        return flatten_map(f, node, err);
    }
    if (yaml_node_is_null(node)) {
        STR_AUTO text = STR_INIT;
        str_printf(&text, "%s:%d: %s has no value, ignoring it", f->name, line, str_cstr(&f->key));
        text_list_add(&f->conf->warnings, str_slice(&text));
        return 0;
    }
    if (node->type == YAML_TYPE_SCALAR) {
        return flatten_leaf(f, node->text, line, err);
    }
    str_clear(&f->scratch);
    append_list(f, node, &f->scratch);
    return flatten_leaf(f, str_cstr(&f->scratch), line, err);
}

int conf_load_yaml_text(struct conf *conf, const char *name, struct slice text, struct error *err)
{
    struct yaml_document document;
    int rc = yaml_parse(text, name, NULL, &document, err);
    if (rc == ERR_PARSE) {
        if (err != NULL) {
            err->code = ERR_INVALID_CONFIG;
        }
        return ERR_INVALID_CONFIG;
    }
    TRY(rc);
    struct flattener f = {.conf = conf, .name = name};
    map_init(&f.seen, NULL);
    const struct yaml_node *root = document.root;
    if (root != NULL && !yaml_node_is_null(root)) {
        if (root->type == YAML_TYPE_MAP) {
            rc = flatten_map(&f, root, err);
        } else {
            rc = error_set(err, ERR_INVALID_CONFIG,
                           "%s:%d:%d: expected keys and values (\"key: value\"), found %s", name,
                           root->line, root->column,
                           root->type == YAML_TYPE_LIST ? "a list" : "plain text");
        }
    }
    map_fini(&f.seen);
    str_fini(&f.key);
    str_fini(&f.scratch);
    yaml_document_fini(&document);
    return rc;
}

int conf_load_yaml(struct conf *conf, const char *path, struct error *err)
{
    STR_AUTO text = STR_INIT;
    TRY(read_file(path, &text, err));
    return conf_load_yaml_text(conf, path, str_slice(&text), err);
}

/* ---- flink-conf.yaml ----------------------------------------------------------------------- */

/* One line of the legacy format, which only looks like YAML: everything from a `#` on is comment,
 * key and value are parted by the first ": ", neither knows quotes. */
static int legacy_line(struct conf *conf, struct conf_place place, struct slice line,
                       struct error *err)
{
    struct slice rest = line;
    struct slice body;
    if (!slice_next(&rest, '#', &body)) {
        return 0;
    }
    body = slice_trim(body);
    if (body.len == 0) {
        return 0;
    }
    const char *colon = memmem(body.data, body.len, ": ", 2);
    const char *ignored = NULL;
    struct slice key = {0};
    struct slice value = {0};
    if (colon == NULL) {
        ignored = "the line is no \"key: value\" (is the blank after ':' missing?)";
    } else {
        key = slice_trim(slice_make(body.data, (size_t)(colon - body.data)));
        size_t value_at = (size_t)(colon + 2 - body.data);
        value = slice_trim(slice_make(colon + 2, body.len - value_at));
        if (key.len == 0 || value.len == 0) {
            ignored = "key or value is empty";
        }
    }
    if (ignored == NULL && memchr(body.data, '\0', body.len) != NULL) {
        ignored = "a NUL character in the line";
    }
    if (ignored != NULL) {
        STR_AUTO text = STR_INIT;
        str_printf(&text, "%s:%d: %s, ignoring it", place.file, place.line, ignored);
        text_list_add(&conf->warnings, str_slice(&text));
        return 0;
    }
    STR_AUTO k = STR_INIT;
    STR_AUTO v = STR_INIT;
    str_append_slice(&k, key);
    str_append_slice(&v, value);
    return conf_set_at(conf, place, str_cstr(&k), str_cstr(&v), err);
}

int conf_load_legacy_text(struct conf *conf, const char *name, struct slice text, struct error *err)
{
    struct slice rest = text;
    struct slice line;
    for (int number = 1; slice_next(&rest, '\n', &line); number++) {
        struct conf_place place = {CONF_ORIGIN_FILE, name, number};
        TRY(legacy_line(conf, place, line, err));
    }
    return 0;
}

int conf_load_legacy(struct conf *conf, const char *path, struct error *err)
{
    STR_AUTO text = STR_INIT;
    TRY(read_file(path, &text, err));
    return conf_load_legacy_text(conf, path, str_slice(&text), err);
}

/* ---- folder -------------------------------------------------------------------------------- */

/* $FLINK_CONF_DIR, else conf/ beside the folder of the program. */
static void default_dir(struct str *out)
{
    const char *dir = getenv("FLINK_CONF_DIR");
    if (dir != NULL && dir[0] != '\0') {
        str_append_cstr(out, dir);
        return;
    }
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe));
    const char *slash = n > 0 ? memrchr(exe, '/', (size_t)n) : NULL;
    if (slash != NULL) {
        str_append(out, exe, (size_t)(slash - exe));
        str_append_cstr(out, "/../conf");
    } else {
        str_append_cstr(out, "conf");
    }
}

int conf_load_dir(struct conf *conf, const char *dir, struct error *err)
{
    STR_AUTO folder = STR_INIT;
    if (dir != NULL) {
        str_append_cstr(&folder, dir);
    } else {
        default_dir(&folder);
    }
    STR_AUTO legacy = STR_INIT;
    STR_AUTO modern = STR_INIT;
    str_printf(&legacy, "%s/%s", str_cstr(&folder), legacy_name);
    str_printf(&modern, "%s/%s", str_cstr(&folder), modern_name);
    if (access(str_cstr(&legacy), F_OK) == 0) {
        return conf_load_legacy(conf, str_cstr(&legacy), err);
    }
    if (access(str_cstr(&modern), F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return error_set(
            err, ERR_NOT_FOUND,
            "no configuration: neither %s nor %s is in %s (set FLINK_CONF_DIR, or pass "
            "the folder)",
            modern_name, legacy_name, str_cstr(&folder));
    }
    return conf_load_yaml(conf, str_cstr(&modern), err);
}

/* ---- command line -------------------------------------------------------------------------- */

int conf_set_dynamic(struct conf *conf, const char *property, struct error *err)
{
    struct conf_place place = {CONF_ORIGIN_COMMAND_LINE, NULL, 0};
    const char *equals = strchr(property, '=');
    STR_AUTO key = STR_INIT;
    str_append(&key, property, equals != NULL ? (size_t)(equals - property) : strlen(property));
    if (key.len == 0) {
        return error_set(err, ERR_INVALID_CONFIG, "-D%s: expected -Dkey=value", property);
    }
    return conf_set_at(conf, place, str_cstr(&key), equals != NULL ? equals + 1 : "true", err);
}

int conf_take_dynamic_args(struct conf *conf, int *argc, char **argv, struct error *err)
{
    int kept = 0;
    for (int i = 0; i < *argc; i++) {
        if (i == 0 || strncmp(argv[i], "-D", 2) != 0) {
            argv[kept++] = argv[i];
            continue;
        }
        const char *property = argv[i] + 2;
        if (*property == '\0') {
            if (i + 1 == *argc) {
                return error_set(err, ERR_INVALID_CONFIG, "-D wants key=value behind it");
            }
            property = argv[++i];
        }
        TRY(conf_set_dynamic(conf, property, err));
    }
    argv[kept] = NULL;
    *argc = kept;
    return 0;
}
