/* The file system of the process: what the configuration says, the client when it is first needed, the table of
 * functions by scheme. */
#include "common/fs/s3/s3.h"

#include "common/fs/s3/inside.h"

#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

/* Fewer parts at a time than UPLOADS_USUAL_MIN leave the line idle between them, however few processors there are. */
enum { CONNECTIONS_DEFAULT = 96, UPLOADS_MAX = 64, UPLOADS_USUAL_MIN = 4 };

/* What was read of the configuration; strings Owned. */
struct settings {
    char *endpoint, *region, *access_key, *secret_key, *session_token, *entropy_key, *ca_file;
    bool is_path_style, is_anonymous, has_unsigned_files;
    uint32_t max_retries, n_uploads, max_connections, entropy_length;
    int64_t connect_timeout_ms, idle_timeout_ms;
    uint64_t part_bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct settings settings; /* guarded by lock, as what follows */
static struct s3_fs *the_fs;     /* Owns; NULL: not needed yet */
static bool is_registered, is_shut_down;

/* ---- the configuration --------------------------------------------------------------------------------------- */

/* Under the first of these keys that is set; NULL: none.  Those of Hadoop are as they are, and with fs. in front
 * of s3. names. */
static const char *text_of(const struct conf *conf, const char *const *keys)
{
    for (; *keys != NULL; keys++) {
        const char *text = conf_raw(conf, *keys);
        if (text != NULL && text[0] != '\0') {
            return text;
        }
    }
    return NULL;
}
#define TEXT_OF(conf, ...) text_of(conf, (const char *const[]){__VA_ARGS__, NULL})

static bool is_true(const char *text, bool otherwise)
{
    return text != NULL ? strcasecmp(text, "true") == 0 : otherwise;
}

static uint32_t n_processors(void)
{
    return (uint32_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
}

/* "fs.s3a.connection.ssl.enabled: false" makes an endpoint without a scheme one of http. */
static char *endpoint_of(const struct conf *conf)
{
    const char *endpoint = TEXT_OF(conf, "s3.endpoint", "fs.s3a.endpoint", "fs.s3.endpoint");
    bool tls =
        is_true(TEXT_OF(conf, "fs.s3a.connection.ssl.enabled", "s3.connection.ssl.enabled"), true);
    STR_AUTO text = STR_INIT;
    if (endpoint == NULL || strstr(endpoint, "://") != NULL) {
        return mem_strdup(endpoint);
    }
    str_printf(&text, "%s://%s", tls ? "https" : "http", endpoint);
    return str_take(&text);
}

static int read_numbers(const struct conf *conf, struct settings *s, struct error *err)
{
    const char *connections = TEXT_OF(conf, "fs.s3a.connection.maximum", "s3.connection.maximum");
    int64_t part_bytes = conf_long(conf, "s3.upload.min.part.size");
    int64_t n_usual = MAX(n_processors(), (uint32_t)UPLOADS_USUAL_MIN);
    int64_t n_uploads = conf_has_value(conf, "s3.upload.max.concurrent.uploads")
                            ? conf_int(conf, "s3.upload.max.concurrent.uploads")
                            : n_usual;
    int64_t retries = conf_int(conf, "s3.retry.max-num-retries");
    int64_t entropy = conf_int(conf, "s3.entropy.length");
    if (part_bytes < S3_PART_BYTES_MIN || part_bytes > INT64_C(5) << 30) {
        return error_set(
            err, ERR_INVALID_CONFIG,
            "s3.upload.min.part.size: %lld is not within 5242880 (5 MB) and 5 GB, what S3 takes",
            (long long)part_bytes);
    }
    if (n_uploads < 1 || n_uploads > UPLOADS_MAX) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "s3.upload.max.concurrent.uploads: %lld is not within 1 and %d",
                         (long long)n_uploads, UPLOADS_MAX);
    }
    if (retries < 0 || retries > 100) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "s3.retry.max-num-retries: %lld is not within 0 and 100",
                         (long long)retries);
    }
    if (entropy < 1 || entropy > 64) {
        return error_set(err, ERR_INVALID_CONFIG, "s3.entropy.length: %lld is not within 1 and 64",
                         (long long)entropy);
    }
    s->part_bytes = (uint64_t)part_bytes;
    s->n_uploads = (uint32_t)n_uploads;
    s->max_retries = (uint32_t)retries;
    s->entropy_length = (uint32_t)entropy;
    s->connect_timeout_ms = conf_duration_ms(conf, "s3.connection.timeout");
    s->idle_timeout_ms = conf_duration_ms(conf, "s3.socket.timeout");
    long n_connections = connections != NULL ? atol(connections) : CONNECTIONS_DEFAULT;
    n_connections = MAX(n_connections, 1L);
    s->max_connections = (uint32_t)MIN(n_connections, 1024L);
    return 0;
}

static void settings_fini(struct settings *s)
{
    mem_free(s->endpoint);
    mem_free(s->region);
    mem_free(s->access_key);
    mem_free(s->secret_key);
    mem_free(s->session_token);
    mem_free(s->entropy_key);
    mem_free(s->ca_file);
    *s = (struct settings){.endpoint = NULL};
}

static void read_texts(const struct conf *conf, struct settings *s)
{
    const char *provider = TEXT_OF(conf, "fs.s3a.aws.credentials.provider",
                                   "s3.aws.credentials.provider", "fs.s3.aws.credentials.provider");
    const char *region = TEXT_OF(conf, "s3.region", "fs.s3a.endpoint.region");
    region = region != NULL ? region : getenv("AWS_REGION");
    s->endpoint = endpoint_of(conf);
    s->region = mem_strdup(region != NULL ? region : getenv("AWS_DEFAULT_REGION"));
    s->access_key = mem_strdup(
        TEXT_OF(conf, "s3.access-key", "s3.access.key", "fs.s3a.access.key", "fs.s3.access.key"));
    s->secret_key = mem_strdup(
        TEXT_OF(conf, "s3.secret-key", "s3.secret.key", "fs.s3a.secret.key", "fs.s3.secret.key"));
    s->session_token =
        mem_strdup(TEXT_OF(conf, "fs.s3a.session.token", "s3.session.token", "s3.session-token"));
    s->is_path_style = is_true(
        TEXT_OF(conf, "s3.path-style-access", "s3.path.style.access", "fs.s3a.path.style.access"),
        false);
    s->has_unsigned_files = !conf_bool(conf, "s3.payload-signing.enabled");
    s->is_anonymous = provider != NULL && strstr(provider, "Anonymous") != NULL;
    s->entropy_key = mem_strdup(TEXT_OF(conf, "s3.entropy.key"));
    const char *ca_file = TEXT_OF(conf, "s3.ssl.ca-file");
    ca_file = ca_file != NULL ? ca_file : getenv("AWS_CA_BUNDLE");
    s->ca_file = ca_file != NULL && ca_file[0] != '\0' ? mem_strdup(ca_file) : NULL;
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

static int fs_make(struct s3_fs **ret_fs, struct error *err)
{
    const struct settings *s = &settings;
    struct s3_fs *fs = MEM_NEW(struct s3_fs);
    int rc =
        s3_client_new(&(struct s3_client_options){.endpoint = s->endpoint,
                                                  .region = s->region,
                                                  .is_path_style = s->is_path_style,
                                                  .has_unsigned_files = s->has_unsigned_files,
                                                  .max_retries = s->max_retries,
                                                  .connect_timeout_ms = s->connect_timeout_ms,
                                                  .idle_timeout_ms = s->idle_timeout_ms,
                                                  .max_connections = s->max_connections,
                                                  .ca_file = s->ca_file,
                                                  .credentials = {.access_key = s->access_key,
                                                                  .secret_key = s->secret_key,
                                                                  .session_token = s->session_token,
                                                                  .is_anonymous = s->is_anonymous,
                                                                  .clock = &clock_system}},
                      &fs->client, err);
    if (rc < 0) {
        mem_free(fs);
        return rc;
    }
    fs->part_bytes = s->part_bytes;
    fs->n_uploads = s->n_uploads;
    fs->entropy_key = mem_strdup(s->entropy_key);
    fs->entropy_length = s->entropy_length;
    *ret_fs = fs;
    return 0;
}

int s3_fs_get(struct s3_fs **ret_fs, struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&lock);
    if (is_shut_down) {
        rc = error_set(err, ERR_CLOSED, "the file system S3 was closed");
    } else if (the_fs == NULL) {
        rc = fs_make(&the_fs, err);
    }
    *ret_fs = the_fs;
    pthread_mutex_unlock(&lock);
    return rc;
}

/* ---- the schemes ------------------------------------------------------------------------------------------------- */

#define S3_DRIVER(name)                                                                       \
    {                                                                                         \
        .scheme = name, .description = "objects of S3", .open = s3_open, .create = s3_create, \
        .stat = s3_stat, .list = s3_list, .mkdirs = s3_mkdirs, .rename = s3_rename,           \
        .remove = s3_remove, .has_no_folders = true, .hides_unfinished = true,                \
        .recoverable = &s3_recoverable_ops                                                    \
    }
static const struct fs_driver drivers[] = {S3_DRIVER("s3"), S3_DRIVER("s3a"), S3_DRIVER("s3p")};

int s3_register(const struct conf *conf, struct error *err)
{
    struct settings read = {.endpoint = NULL};
    int rc = read_numbers(conf, &read, err);
    read_texts(conf, &read);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < ARRAY_LEN(drivers) && rc == 0 && !is_registered; i++) {
        rc = fs_driver_register(&drivers[i], err);
    }
    if (rc == 0) {
        is_registered = true;
        is_shut_down = false;
        settings_fini(&settings);
        settings = read;
    }
    pthread_mutex_unlock(&lock);
    if (rc < 0) {
        settings_fini(&read);
    }
    return rc;
}

void s3_shut_down(void)
{
    pthread_mutex_lock(&lock);
    struct s3_fs *fs = STEAL(the_fs);
    is_shut_down = true;
    settings_fini(&settings);
    pthread_mutex_unlock(&lock);
    if (fs != NULL) {
        s3_client_free(fs->client);
        mem_free(fs->entropy_key);
        mem_free(fs);
    }
}
