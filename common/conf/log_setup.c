/* Levels and rolling of a daemon's log; see log_setup.h. */
#include "common/conf/log_setup.h"
#include "common/text/number.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LOG_PROPERTIES_BYTES_MAX = 256 * 1024,
    LOG_ROLL_BYTES_DEFAULT = 100 * 1024 * 1024,
    LOG_ROLL_FILES_DEFAULT = 10,
};

/* A logger as the file names it: its class and its level come in two lines, in any order. */
struct named_logger {
    char *name; /* Owns */
    bool has_level;
    enum log_level level;
};

static void free_logger(void *p)
{
    struct named_logger *l = p;
    mem_free(l->name);
    mem_free(l);
}

void log_properties_init(struct log_properties *p)
{
    *p = (struct log_properties){.root = LOG_LEVEL_INFO, .roll_files = -1};
    map_init(&p->levels, mem_free);
}

void log_properties_fini(struct log_properties *p)
{
    map_fini(&p->levels);
}

/* "${env:ROOT_LOG_LEVEL:-INFO}" and "${sys:x:-INFO}": the variable, else what is behind ":-". */
static struct slice resolve(struct slice value)
{
    char name[64];

    if (!slice_starts_with(value, "${") || !slice_ends_with(value, "}")) {
        return value;
    }
    struct slice inner = slice_make(value.data + 2, value.len - 3);
    const char *otherwise = memmem(inner.data, inner.len, ":-", 2);
    size_t head = otherwise != NULL ? (size_t)(otherwise - inner.data) : inner.len;
    if (slice_starts_with(inner, "env:") && head - 4 < sizeof(name)) {
        (void)snprintf(name, sizeof(name), "%.*s", (int)(head - 4), inner.data + 4);
        const char *set = getenv(name);
        if (set != NULL) {
            return slice_cstr(set);
        }
    }
    return otherwise != NULL ? slice_make(otherwise + 2, inner.len - head - 2) : slice_make("", 0);
}

static bool parse_level(struct slice value, enum log_level *ret)
{
    char text[16];
    struct slice resolved = slice_trim(resolve(value));

    if (resolved.len == 0 || resolved.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, resolved.data, resolved.len);
    text[resolved.len] = '\0';
    return log_level_parse(text, ret);
}

/* "100MB", "1 GB", "4096". */
static uint64_t parse_size(struct slice value)
{
    static const struct {
        const char *unit;
        uint64_t factor;
    } units[] = {{"KB", 1 << 10}, {"MB", 1 << 20}, {"GB", 1 << 30}};
    struct slice v = slice_trim(resolve(value));
    uint64_t factor = 1;
    int64_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (slice_ends_with(v, units[i].unit)) {
            factor = units[i].factor;
            v = slice_trim(slice_make(v.data, v.len - 2));
        }
    }
    return number_parse_int64(v, &n) == 0 && n > 0 && n < INT64_MAX / (1 << 30)
               ? (uint64_t)n * factor
               : 0;
}

static struct named_logger *logger_of(struct map *loggers, struct slice id)
{
    struct named_logger *l = map_find_bytes(loggers, id.data, id.len);

    if (l == NULL) {
        l = MEM_NEW(struct named_logger);
        (void)map_put_bytes(loggers, id.data, id.len, l);
    }
    return l;
}

static void parse_logger(struct map *loggers, struct slice key, struct slice value)
{
    struct slice id = slice_make(key.data + strlen("logger."), key.len - strlen("logger."));

    if (slice_ends_with(id, ".name")) {
        struct named_logger *l = logger_of(loggers, slice_make(id.data, id.len - 5));
        struct str name = STR_INIT;
        str_append_slice(&name, value);
        mem_free(l->name);
        l->name = str_take(&name);
    } else if (slice_ends_with(id, ".level")) {
        struct named_logger *l = logger_of(loggers, slice_make(id.data, id.len - 6));
        l->has_level = parse_level(value, &l->level);
    }
}

static void parse_line(struct log_properties *p, struct map *loggers, struct slice key,
                       struct slice value)
{
    int64_t n;

    if (slice_eq_cstr(key, "rootLogger.level")) {
        p->has_root = parse_level(value, &p->root);
    } else if (slice_starts_with(key, "logger.")) {
        parse_logger(loggers, key, value);
    } else if (slice_ends_with(key, ".policies.size.size")) {
        p->roll_bytes = parse_size(value);
    } else if (slice_ends_with(key, ".strategy.max") &&
               number_parse_int64(slice_trim(resolve(value)), &n) == 0 && n >= 0 &&
               n <= LOG_ROLLED_FILES_MAX) {
        p->roll_files = (int32_t)n;
    }
}

/* The topic that a logger's name means; false: none of ours (Kafka's client, Hadoop). */
static bool topic_of(const char *name, struct str *ret_topic)
{
    static const char flink[] = "org.apache.flink";

    if (cstr_starts_with(name, flink)) {
        str_printf(ret_topic, "flinc%s", name + strlen(flink));
        return true;
    }
    str_append_cstr(ret_topic, name);
    return cstr_starts_with(name, "flinc");
}

void log_properties_parse(struct log_properties *p, struct slice text)
{
    struct map loggers;
    struct slice line;

    map_init(&loggers, free_logger);
    while (slice_next(&text, '\n', &line)) {
        line = slice_trim(line);
        const char *equals = line.len > 0 ? memchr(line.data, '=', line.len) : NULL;
        if (equals != NULL && line.data[0] != '#' && line.data[0] != '!') {
            size_t n = (size_t)(equals - line.data);
            parse_line(p, &loggers, slice_trim(slice_make(line.data, n)),
                       slice_trim(slice_make(equals + 1, line.len - n - 1)));
        }
    }
    MAP_FOREACH (&loggers, e) {
        const struct named_logger *l = e->value;
        STR_AUTO topic = STR_INIT;
        if (l->name != NULL && l->has_level && topic_of(l->name, &topic)) {
            enum log_level *level = MEM_NEW(enum log_level);
            *level = l->level;
            (void)map_put(&p->levels, str_cstr(&topic), level);
        }
    }
    map_fini(&loggers);
}

static void read_properties(struct log_properties *p, const char *path)
{
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    STR_AUTO text = STR_INIT;
    char buf[4096];
    ssize_t n;

    if (fd < 0) {
        return;
    }
    while (text.len < LOG_PROPERTIES_BYTES_MAX && (n = read(fd, buf, sizeof(buf))) > 0) {
        str_append(&text, buf, (size_t)n);
    }
    close(fd);
    log_properties_parse(p, str_slice(&text));
}

static void set_levels(const struct conf *conf, const struct log_properties *p)
{
    enum log_level root = p->has_root ? p->root : LOG_LEVEL_INFO;
    const char *environment = getenv("ROOT_LOG_LEVEL");

    if (conf_has(conf, "env.log.level")) {
        (void)log_level_parse(conf_string(conf, "env.log.level"), &root);
    }
    if (environment != NULL) {
        (void)log_level_parse(environment, &root);
    }
    log_set_level(root);
    MAP_FOREACH (&p->levels, e) {
        log_set_topic_level(e->key, *(const enum log_level *)e->value);
    }
}

static uint32_t rolled_files(const struct conf *conf, const struct log_properties *p)
{
    const char *environment = getenv("MAX_LOG_FILE_NUMBER");
    int64_t n = p->roll_files >= 0 ? p->roll_files : LOG_ROLL_FILES_DEFAULT;

    if (conf_has(conf, "env.log.max")) {
        n = conf_int(conf, "env.log.max");
    }
    int64_t asked;
    if (environment != NULL && number_parse_int64(slice_cstr(environment), &asked) == 0) {
        n = asked;
    }
    return (uint32_t)(n < 0 ? 0 : MIN(n, (int64_t)LOG_ROLLED_FILES_MAX));
}

static void get_rolling(const struct conf *conf, const struct log_properties *p,
                        struct log_rolling *ret)
{
    ret->max_bytes = p->roll_bytes > 0 ? p->roll_bytes : LOG_ROLL_BYTES_DEFAULT;
    ret->max_files = rolled_files(conf, p);
}

void log_setup_levels(const struct conf *conf)
{
    struct log_properties p;
    log_properties_init(&p);
    read_properties(&p, getenv("FLINC_LOG_CONFIG"));
    set_levels(conf, &p);
    log_properties_fini(&p);
}

void log_setup_rolling(const struct conf *conf, struct log_rolling *ret)
{
    struct log_properties p;
    log_properties_init(&p);
    read_properties(&p, getenv("FLINC_LOG_CONFIG"));
    get_rolling(conf, &p, ret);
    log_properties_fini(&p);
}

int log_setup_daemon(const struct conf *conf, struct error *err)
{
    const char *file = getenv("FLINC_LOG_FILE");
    struct log_properties p;
    int rc = 0;

    log_properties_init(&p);
    read_properties(&p, getenv("FLINC_LOG_CONFIG"));
    set_levels(conf, &p);
    if (file != NULL && file[0] != '\0') {
        struct log_rolling rolling;
        get_rolling(conf, &p, &rolling);
        rc = log_open_rolling(file, &rolling, err);
    }
    log_properties_fini(&p);
    return rc;
}
