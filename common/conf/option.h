/* Option tables: what keys exist, their types, defaults, old names and meaning.
 *
 * A const row is the only source for parsing, validation, defaults, near-miss hints and the reference
 * page.  A schema is a set of groups of rows with an index by name: the cluster's (options_*.c) or a
 * connector's own.  Flink: ConfigOption, ConfigOptions.
 *
 * Thread: any; tables are const, a schema builds its index at the first look-up under a lock. */
#ifndef FLINC_COMMON_CONF_OPTION_H
#define FLINC_COMMON_CONF_OPTION_H

#include "common/base/map.h"
#include "common/text/option_text.h"
#include <pthread.h>

enum conf_type {
    CONF_TYPE_BOOL,
    CONF_TYPE_INT,  /* 32 bits, as in Flink */
    CONF_TYPE_LONG, /* 64 bits */
    CONF_TYPE_DOUBLE,
    CONF_TYPE_FLOAT,
    CONF_TYPE_STRING,
    CONF_TYPE_DURATION,
    CONF_TYPE_MEMORY,
    CONF_TYPE_ENUM,
    CONF_TYPE_LIST, /* of strings; of an enum when enum_values is set */
    CONF_TYPE_MAP,  /* string to string; also given as keys below the name ("name.k1: v1") */
};
const char *conf_type_name(enum conf_type type);    /* "duration" */
const char *conf_type_example(enum conf_type type); /* "\"10 s\", \"500 ms\", \"1 min\"" */

enum conf_option_flags {
    CONF_FLAG_EFFECTIVE = 1 << 0, /* something in this build reads it; needs a description */
    CONF_FLAG_OWN = 1 << 1,       /* Flink does not have it */
    CONF_FLAG_INTERNAL = 1 << 2,  /* set by the system; not in the reference page */
    CONF_FLAG_SENSITIVE = 1 << 3, /* masked although its name does not say so */
    CONF_FLAG_BATCH = 1 << 4,     /* table option that matters in batch mode */
    CONF_FLAG_STREAMING = 1 << 5, /* table option that matters in streaming mode */
    CONF_FLAG_REQUIRED = 1 << 6,  /* option of a connector or format: must be given */
    CONF_FLAG_FORWARDED =
        1 << 7, /* option of a connector or format: hints and compiled plans may change it */
};

/* One row.  `<word>` in a name stands for one part between dots, `<word+>` for one or more of them, either at the
 * name's end for all that is left; `#` for a number.  Texts of default, min and max are in the option's own syntax. */
struct conf_option {
    const char *name;
    enum conf_type type;
    const char *default_text; /* NULL: none */
    const char *enum_values;  /* "A|B|C", for enums and lists of them */
    const char *aliases;      /* deprecated keys still read with a warning, comma-separated */
    const char *fallbacks;   /* other keys read silently when this one is absent, comma-separated */
    const char *min, *max;   /* inclusive; durations and sizes are never negative anyway */
    const char *description; /* one or two sentences */
    unsigned flags;
};

struct conf_group {
    const char *title; /* heading in the reference page */
    const struct conf_option *options;
    size_t n_options;
};
#define CONF_GROUP(title, table)           \
    {                                      \
        (title), (table), ARRAY_LEN(table) \
    }

/* Static memory: start from CONF_SCHEMA_INIT(groups). */
struct conf_schema {
    const struct conf_group *const *groups;
    size_t n_groups;
    pthread_mutex_t lock; /* guards building the index */
    _Atomic bool indexed;
    struct map by_key;                   /* names and aliases without placeholders -> option */
    const struct conf_option **patterns; /* Owns: options with placeholders or of type map */
    size_t n_patterns;
};
#define CONF_SCHEMA_INIT(group_table)                                \
    {                                                                \
        .groups = (group_table), .n_groups = ARRAY_LEN(group_table), \
        .lock = PTHREAD_MUTEX_INITIALIZER                            \
    }
void conf_schema_fini(struct conf_schema *schema); /* drops the index; it can be used again */

/* All of Flink's cluster keys and our own. */
struct conf_schema *conf_schema_cluster(void);

enum conf_match {
    CONF_MATCH_NONE,
    CONF_MATCH_NAME,    /* the option's own name, or a name that fits its pattern */
    CONF_MATCH_ALIAS,   /* a deprecated name */
    CONF_MATCH_MAP_KEY, /* an entry of a map option: "<name>.<key>" */
};
enum conf_match conf_schema_match(struct conf_schema *schema, const char *key,
                                  const struct conf_option **ret_option);
/* The row with exactly this name, or NULL. */
const struct conf_option *conf_schema_find(struct conf_schema *schema, const char *name);
/* The known key that was probably meant, or NULL. */
const char *conf_schema_nearest(struct conf_schema *schema, const char *key);

/* Checks a value's text against type, range and enum values.  The message names value, expected type
 * and an example; the caller adds where it stood.  `shown` is what is printed as the value (a mask
 * for secrets). */
int conf_option_check(const struct conf_option *option, const char *value, const char *shown,
                      struct error *err) MUST_CHECK;
/* Index of the value in "A|B|C", ignoring case; -1 when it is none. */
int conf_enum_index(const char *enum_values, struct slice value);
/* Checks the table itself (unit tests call it for every schema): names unique, defaults and bounds
 * parse, effective rows described. */
int conf_schema_check(struct conf_schema *schema, struct error *err) MUST_CHECK;

#endif
