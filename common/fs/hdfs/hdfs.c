/* The file system of the process: what the configuration says, the client when it is first needed, the table of
 * functions by scheme. */
#include "common/fs/hdfs/hdfs.h"

#include "common/fs/hdfs/inside.h"
#include "common/fs/hdfs/kerberos.h"

#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64 };

/* What was read of the configuration; strings Owned. */
struct settings {
    struct conf conf; /* of it what Hadoop's is made of: keys of flink.hadoop. and the folder */
    bool has_conf;
    char *user, *ca_file, *token_file;
    struct kerberos_login login;
    uint32_t max_retries;
    int64_t connect_timeout_ms, idle_timeout_ms;
    uint64_t buffer_bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct settings settings; /* guarded by lock, as what follows */
static struct hdfs_fs *the_fs;   /* Owns; NULL: not needed yet */
static bool is_registered, is_shut_down;

/* ---- the configuration ----------------------------------------------------------------------------------------- */

static char *text_of(const struct conf *conf, const char *key)
{
    const char *text = conf_string(conf, key);
    return text != NULL && text[0] != '\0' ? mem_strdup(text) : NULL;
}

/* Hadoop's order: what is configured, HADOOP_USER_NAME, who runs this. */
static char *find_user(const struct conf *conf)
{
    char *user = text_of(conf, "fs.hdfs.user");
    const char *told = getenv("HADOOP_USER_NAME");
    if (user == NULL && told != NULL && told[0] != '\0') {
        user = mem_strdup(told);
    }
    if (user == NULL) {
        struct passwd found, *p = NULL;
        char room[4096];
        bool is_known = getpwuid_r(geteuid(), &found, room, sizeof(room), &p) == 0 && p != NULL;
        user = mem_strdup(is_known ? p->pw_name : "flink");
    }
    return user;
}

static int read_settings(const struct conf *conf, struct settings *s, struct error *err)
{
    uint64_t buffer_bytes = conf_memory(conf, "fs.hdfs.write-buffer");
    int64_t retries = conf_int(conf, "fs.hdfs.retry.max-num-retries");
    if (buffer_bytes < HDFS_BUFFER_BYTES_MIN || buffer_bytes > HDFS_BUFFER_BYTES_MAX) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "fs.hdfs.write-buffer: %llu bytes are not within 64 kb and 1 gb",
                         (unsigned long long)buffer_bytes);
    }
    if (retries < 0 || retries > 100) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "fs.hdfs.retry.max-num-retries: %lld is not within 0 and 100",
                         (long long)retries);
    }
    s->buffer_bytes = buffer_bytes;
    s->max_retries = (uint32_t)retries;
    s->connect_timeout_ms = conf_duration_ms(conf, "fs.hdfs.connection.timeout");
    s->idle_timeout_ms = conf_duration_ms(conf, "fs.hdfs.socket.timeout");
    s->user = find_user(conf);
    s->ca_file = text_of(conf, "fs.hdfs.ssl.ca-file");
    s->token_file = text_of(conf, "fs.hdfs.delegation-token-file");
    kerberos_login_read(conf, &s->login);
    conf_init(&s->conf, conf->schema);
    conf_merge(&s->conf, conf);
    s->has_conf = true;
    return 0;
}

static void settings_fini(struct settings *s)
{
    if (s->has_conf) {
        conf_fini(&s->conf);
    }
    mem_free(s->user);
    mem_free(s->ca_file);
    mem_free(s->token_file);
    kerberos_login_fini(&s->login);
    *s = (struct settings){.user = NULL};
}

/* ---- the client --------------------------------------------------------------------------------------------------- */

static struct hdfs_fs *fs_free(struct hdfs_fs *fs)
{
    if (fs != NULL) {
        hdfs_client_free(fs->client);
        hadoop_conf_fini(&fs->conf);
        map_fini(&fs->sites);
        pthread_mutex_destroy(&fs->lock);
        mem_free(fs);
    }
    return NULL;
}

static void free_site(void *site)
{
    hdfs_site_free(site);
}

/* Hadoop's word, or a login of ours. */
static bool wants_kerberos(const struct settings *s, const struct hadoop_conf *conf)
{
    STR_AUTO how = STR_INIT;
    return s->login.keytab != NULL ||
           (hadoop_conf_get(conf, "hadoop.security.authentication", &how) &&
            strcasecmp(str_cstr(&how), "kerberos") == 0);
}

static int fs_make(struct hdfs_fs **ret_fs, struct error *err)
{
    const struct settings *s = &settings;
    struct hdfs_fs *fs = MEM_NEW(struct hdfs_fs);
    pthread_mutex_init(&fs->lock, NULL);
    hadoop_conf_init(&fs->conf);
    map_init(&fs->sites, free_site);
    fs->buffer_bytes = (size_t)s->buffer_bytes;
    int rc = hadoop_conf_load(&fs->conf, &s->conf, err);
    bool negotiates = rc == 0 && s->token_file == NULL && wants_kerberos(s, &fs->conf);
    STR_AUTO who = STR_INIT;
    if (s->token_file != NULL) {
        str_printf(&who, "the owner of the token in %s", s->token_file);
    } else if (negotiates) {
        kerberos_login_describe(&s->login, &who);
    } else {
        str_append_cstr(&who, s->user);
    }
    if (rc == 0) {
        rc = hdfs_client_new(
            &(struct hdfs_client_options){.user = s->user,
                                          .who = str_cstr(&who),
                                          .token_file = s->token_file,
                                          .negotiates = negotiates,
                                          .max_retries = s->max_retries,
                                          .connect_timeout_ms = s->connect_timeout_ms,
                                          .idle_timeout_ms = s->idle_timeout_ms,
                                          .max_connections = CONNECTIONS_MAX,
                                          .ca_file = s->ca_file},
            &fs->client, err);
    }
    if (rc < 0) {
        return fs_free(fs), rc;
    }
    *ret_fs = fs;
    return 0;
}

static int get_fs(struct hdfs_fs **ret_fs, struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&lock);
    if (is_shut_down) {
        rc = error_set(err, ERR_CLOSED, "the file system HDFS was closed");
    } else if (the_fs == NULL) {
        rc = fs_make(&the_fs, err);
    }
    *ret_fs = the_fs;
    pthread_mutex_unlock(&lock);
    return rc;
}

int hdfs_place_of(const struct fs_location *at, struct hdfs_place *ret, struct error *err)
{
    struct hdfs_fs *fs = NULL;
    STR_AUTO name = STR_INIT;
    TRY(get_fs(&fs, err));
    str_printf(&name, "%s://%s", at->scheme, at->authority);
    pthread_mutex_lock(&fs->lock);
    struct hdfs_site *site = map_find(&fs->sites, str_cstr(&name));
    int rc = 0;
    if (site == NULL) {
        rc = hdfs_site_new(&fs->conf, at->scheme, at->authority, &site, err);
        if (rc == 0) {
            (void)map_put(&fs->sites, str_cstr(&name), site);
        }
    }
    pthread_mutex_unlock(&fs->lock);
    TRY(rc);
    *ret = (struct hdfs_place){fs, site};
    return 0;
}

void hdfs_uri_of(const struct fs_location *at, const char *path, struct str *ret_uri)
{
    struct fs_location other = *at;
    other.path = (char *)(uintptr_t)path;
    fs_location_format(&other, ret_uri);
}

/* ---- the schemes ----------------------------------------------------------------------------------------------------- */

#define HDFS_DRIVER(name)                                                                         \
    {                                                                                             \
        .scheme = name, .description = "files of HDFS", .open = hdfs_open, .create = hdfs_create, \
        .stat = hdfs_stat, .list = hdfs_list, .mkdirs = hdfs_mkdirs, .rename = hdfs_rename,       \
        .remove = hdfs_remove, .hides_unfinished = true, .recoverable = &hdfs_recoverable_ops     \
    }
static const struct fs_driver drivers[] = {HDFS_DRIVER("hdfs"), HDFS_DRIVER("webhdfs"),
                                           HDFS_DRIVER("swebhdfs")};

int hdfs_register(const struct conf *conf, struct error *err)
{
    struct settings read = {.user = NULL};
    int rc = read_settings(conf, &read, err);
    rc = rc == 0 ? kerberos_login_use(&read.login, err) : rc;
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

void hdfs_shut_down(void)
{
    pthread_mutex_lock(&lock);
    struct hdfs_fs *fs = STEAL(the_fs);
    is_shut_down = true;
    settings_fini(&settings);
    pthread_mutex_unlock(&lock);
    fs_free(fs);
}
