/* A configuration: keys and values in the order they were set, each with its origin, read through the
 * options of a schema.
 *
 * A value is checked when it is set, so that getters never fail: they return the value set under the
 * option's name, else under a deprecated name, else under a fallback key, else the default.  Asking
 * for an option that the schema does not have, or by another type, is a bug and asserted.
 *
 * Flink: Configuration, GlobalConfiguration.
 * Thread: one owner while it is filled; any number of readers afterwards. */
#ifndef FLINC_COMMON_CONF_CONF_H
#define FLINC_COMMON_CONF_CONF_H

#include "common/conf/option.h"
#include "common/text/units.h"

enum conf_origin {
    CONF_ORIGIN_PROGRAM, /* set by code */
    CONF_ORIGIN_FILE,
    CONF_ORIGIN_COMMAND_LINE, /* -Dkey=value */
    CONF_ORIGIN_ENVIRONMENT,
};

struct conf_place {
    enum conf_origin origin;
    const char *file; /* CONF_ORIGIN_FILE: path; Borrows, copied by conf_set */
    int line;
};
#define CONF_PLACE_PROGRAM ((struct conf_place){CONF_ORIGIN_PROGRAM, NULL, 0})

struct conf_entry {
    const char *key;
    const char *value;
    struct conf_place place;
    const struct conf_option *option; /* NULL: unknown key, kept for whoever asks by conf_raw */
    enum conf_match match;
};

struct conf {
    struct conf_schema *schema; /* Borrows */
    struct map entries;         /* Owns: key -> struct conf_entry; MAP_FOREACH in the order set */
    struct text_list warnings;  /* unknown and deprecated keys, ignored lines */
};

/* schema NULL: the cluster's. */
void conf_init(struct conf *conf, struct conf_schema *schema);
void conf_fini(struct conf *conf);
/* Sets everything of src over dst (values were checked under the same schema). */
void conf_merge(struct conf *dst, const struct conf *src);

enum { CONF_NEAREST_HINTS_MAX = 20 }; /* warnings with a hint; looking for one costs about 0.1 ms */

/* Checks and sets; an existing value is replaced.  ERR_INVALID_CONFIG names place, key, value,
 * expected type and an example.  Unknown keys are kept and warned about. */
int conf_set_at(struct conf *conf, struct conf_place place, const char *key, const char *value,
                struct error *err) MUST_CHECK;
int conf_set(struct conf *conf, const char *key, const char *value, struct error *err) MUST_CHECK;
void conf_unset(struct conf *conf, const char *key);

/* ---- sources ------------------------------------------------------------------------------- */

enum { CONF_FILE_MAX_BYTES = 1024 * 1024 };

/* flink-conf.yaml (legacy "key: value" lines) if it exists, else config.yaml (YAML 1.2, nested or
 * flat).  Neither: ERR_NOT_FOUND.  dir NULL: $FLINK_CONF_DIR, else ../conf beside the executable. */
int conf_load_dir(struct conf *conf, const char *dir, struct error *err) MUST_CHECK;
int conf_load_yaml(struct conf *conf, const char *path, struct error *err) MUST_CHECK;
int conf_load_legacy(struct conf *conf, const char *path, struct error *err) MUST_CHECK;
/* The same from text; `name` is shown as the file. */
int conf_load_yaml_text(struct conf *conf, const char *name, struct slice text,
                        struct error *err) MUST_CHECK;
int conf_load_legacy_text(struct conf *conf, const char *name, struct slice text,
                          struct error *err) MUST_CHECK;
/* The text behind -D: "key=value"; "key" alone is "key=true", as Flink reads it. */
int conf_set_dynamic(struct conf *conf, const char *property, struct error *err) MUST_CHECK;
/* Takes "-Dk=v" and "-D k=v" out of argv, in order; returns the new argc in *argc. */
int conf_take_dynamic_args(struct conf *conf, int *argc, char **argv, struct error *err) MUST_CHECK;
/* Logs each warning once and forgets it. */
void conf_log_warnings(struct conf *conf);

/* ---- reading ------------------------------------------------------------------------------- */

/* Was it set (by any of its names), rather than defaulted? */
bool conf_has(const struct conf *conf, const char *name);
/* Has it a value, set or default?  The typed getters below assert it. */
bool conf_has_value(const struct conf *conf, const char *name);

bool conf_bool(const struct conf *conf, const char *name);
int32_t conf_int(const struct conf *conf, const char *name);
int64_t conf_long(const struct conf *conf, const char *name);
double conf_double(const struct conf *conf, const char *name); /* double and float options */
/* Borrowed until the entry changes; NULL when it has no value. */
const char *conf_string(const struct conf *conf, const char *name);
struct duration conf_duration(const struct conf *conf, const char *name);
int64_t conf_duration_ms(const struct conf *conf, const char *name);
uint64_t conf_memory(const struct conf *conf, const char *name);
int conf_enum(const struct conf *conf, const char *name); /* index into the option's enum_values */
/* Fill the caller's list or map (empty when there is no value), which the caller ends. */
void conf_list(const struct conf *conf, const char *name, struct text_list *ret_list);
void conf_map(const struct conf *conf, const char *name, struct text_map *ret_map);
/* The text under exactly this key, known or not; NULL when it is not set. */
const char *conf_raw(const struct conf *conf, const char *key);
/* Entries whose key starts with prefix: key without the prefix -> value. */
void conf_prefix(const struct conf *conf, const char *prefix, struct text_map *ret_map);

/* ---- showing ------------------------------------------------------------------------------- */

#define CONF_MASK "******"
/* Should the value under this key be masked?  By Flink's list of words, the option's flag and
 * security.redaction.additional-keys. */
bool conf_is_sensitive(const struct conf *conf, const char *key);
/* Appends the value as it may be shown: masked, or a map with its secret entries masked. */
void conf_append_shown(const struct conf *conf, const struct conf_entry *entry, struct str *out);
/* "conf/config.yaml:12", "-D", "code". */
void conf_place_format(struct conf_place place, struct str *out);
/* [{"key":..,"value":..}], sorted by key, as GET /jobmanager/config answers. */
struct json_writer;
void conf_write_json(const struct conf *conf, struct json_writer *w);

/* Writes the reference page (docs/reference/configuration.md) of a schema in Markdown. */
void conf_write_reference(const struct conf_schema *schema, struct str *out);

#endif
