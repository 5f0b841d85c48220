/* Files of Hadoop's configuration (hadoop_conf.h). */
#include "common/fs/hdfs/hadoop_conf.h"

#include "common/fs/fs.h"
#include "common/fs/remote/xml.h"
#include "common/text/option_text.h"

#include <stdlib.h>

static const char own_keys[] = "flink.hadoop.<key>";

static void free_text(void *text)
{
    mem_free(text);
}

void hadoop_conf_init(struct hadoop_conf *h)
{
    *h = (struct hadoop_conf){.folder = STR_INIT};
    map_init(&h->values, free_text);
}

void hadoop_conf_fini(struct hadoop_conf *h)
{
    map_fini(&h->values);
    str_fini(&h->folder);
    str_fini(&h->told_by);
}

void hadoop_conf_set(struct hadoop_conf *h, const char *key, const char *value)
{
    (void)map_put(&h->values, key, mem_strdup(value));
}

/* ---- files ------------------------------------------------------------------------------------------------ */

struct reading {
    struct hadoop_conf *conf;
    struct str name, value;
};

static int on_element(void *arg, const char *path, struct slice text, struct error *err)
{
    struct reading *r = arg;
    bool is_name = strcmp(path, "configuration/property/name") == 0;
    if (is_name || strcmp(path, "configuration/property/value") == 0) {
        struct str *to = is_name ? &r->name : &r->value;
        str_clear(to);
        str_append_slice(to, slice_trim(text));
    } else if (strcmp(path, "configuration/property") == 0) {
        if (r->name.len > 0) {
            hadoop_conf_set(r->conf, str_cstr(&r->name), str_cstr(&r->value));
        }
        str_clear(&r->name);
        str_clear(&r->value);
    }
    return 0;
}

int hadoop_conf_read(struct hadoop_conf *h, struct slice text, const char *name, struct error *err)
{
    struct reading r = {.conf = h};
    struct error why = ERROR_INIT;
    int rc = xml_read(text, on_element, &r, &why);
    str_fini(&r.name);
    str_fini(&r.value);
    return rc < 0 ? error_set(err, ERR_INVALID_CONFIG, "%s: %s", name, why.message) : 0;
}

static int read_file(struct hadoop_conf *h, const char *name, struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO text = STR_INIT;
    struct fs_input *in = NULL;
    size_t n = 0;
    str_printf(&path, "%s/%s", str_cstr(&h->folder), name);
    int rc = fs_open(str_cstr(&path), FS_ACCESS_SEQUENTIAL, &in, err);
    if (rc < 0) {
        return rc;
    }
    size_t size = (size_t)fs_input_size(in);
    if (size > HADOOP_CONF_FILE_MAX) {
        rc = error_set(err, ERR_INVALID_CONFIG, "%s is larger than %d bytes", str_cstr(&path),
                       HADOOP_CONF_FILE_MAX);
    } else {
        str_reserve(&text, size + 1);
        rc = fs_input_read_at(in, 0, text.data, size, &n, err);
        text.len = rc == 0 ? n : 0;
    }
    fs_input_close(in);
    TRY(rc);
    return hadoop_conf_read(h, str_slice(&text), str_cstr(&path), err);
}

static bool take_folder(struct hadoop_conf *h, const char *folder, const char *behind,
                        const char *told_by)
{
    if (folder == NULL || folder[0] == '\0') {
        return false;
    }
    str_printf(&h->folder, "%s%s", folder, behind);
    str_append_cstr(&h->told_by, told_by);
    return true;
}

static int load_folder(struct hadoop_conf *h, struct error *err)
{
    static const char *const names[] = {"core-site.xml", "hdfs-site.xml"};
    struct error why = ERROR_INIT;
    int there = fs_exists(str_cstr(&h->folder), &why);
    if (there <= 0) {
        return error_set(err, ERR_INVALID_CONFIG, "%s: the folder %s of Hadoop's configuration %s",
                         str_cstr(&h->told_by), str_cstr(&h->folder),
                         there == 0 ? "is not there" : why.message);
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int rc = read_file(h, names[i], err);
        if (rc < 0 && rc != ERR_NOT_FOUND) {
            return rc;
        }
    }
    return 0;
}

int hadoop_conf_load(struct hadoop_conf *h, const struct conf *conf, struct error *err)
{
    if (take_folder(h, conf_string(conf, "fs.hdfs.hadoopconf"), "", "fs.hdfs.hadoopconf") ||
        take_folder(h, conf_string(conf, "env.hadoop.conf.dir"), "", "env.hadoop.conf.dir") ||
        take_folder(h, getenv("HADOOP_CONF_DIR"), "", "HADOOP_CONF_DIR")) {
        TRY(load_folder(h, err));
    } else if (take_folder(h, getenv("HADOOP_HOME"), "/etc/hadoop", "HADOOP_HOME")) {
        if (fs_exists(str_cstr(&h->folder), NULL) > 0) {
            TRY(load_folder(h, err));
        } else { /* a Hadoop without a configuration of its own */
            str_clear(&h->folder);
            str_clear(&h->told_by);
        }
    }
    struct text_map own = TEXT_MAP_INIT;
    char *prefix = mem_strndup(own_keys, strcspn(own_keys, "<"));
    conf_prefix(conf, prefix, &own);
    mem_free(prefix);
    for (size_t i = 0; i < own.keys.n; i++) {
        hadoop_conf_set(h, own.keys.items[i], own.values.items[i]);
    }
    text_map_fini(&own);
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------------------- */

static void append_value(const struct hadoop_conf *h, const char *text, uint32_t depth,
                         struct str *out)
{
    const char *at = text, *mark, *end;
    while ((mark = strstr(at, "${")) != NULL && (end = strchr(mark, '}')) != NULL &&
           depth < HADOOP_CONF_DEPTH_MAX && out->len < HADOOP_CONF_VALUE_MAX) {
        char *key = mem_strndup(mark + 2, (size_t)(end - mark - 2));
        const char *value =
            cstr_starts_with(key, "env.") ? getenv(key + 4) : map_find(&h->values, key);
        str_append(out, at, (size_t)(mark - at));
        if (value != NULL) {
            append_value(h, value, depth + 1, out);
        } else {
            str_append(out, mark, (size_t)(end + 1 - mark));
        }
        mem_free(key);
        at = end + 1;
    }
    str_append_cstr(out, at);
}

bool hadoop_conf_get(const struct hadoop_conf *h, const char *key, struct str *ret_value)
{
    const char *text = map_find(&h->values, key);
    str_clear(ret_value);
    if (text != NULL) {
        append_value(h, text, 0, ret_value);
    }
    return ret_value->len > 0;
}
