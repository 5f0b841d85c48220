/* Kinds, events and large values; see ha.h.
 *
 * What a driver keeps is an envelope: one byte that says whether the value follows, or the name of a file in
 * storageDir, with its size and checksum. */
#include "common/base/crc32c.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "common/ha/driver.h"
#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>

static const char topic[] = "flinc.ha";

struct ha {
    enum ha_kind kind;
    const struct ha_driver *driver;
    void *self;                /* Owns; the driver's */
    struct str storage_dir;    /* storageDir/<cluster-id>; empty: there is none */
    struct ha_watcher watcher; /* set before the driver's thread starts */
    pthread_mutex_t store_lock;

    pthread_mutex_t lock; /* guards the following; a leaf */
    pthread_cond_t changed;
    struct ha_candidate candidate; /* Owns: mailbox reference, name */
    bool campaigns;
    bool leads;
    struct flinc_id token;
    bool has_leader;
    struct ha_leader leader;
};

/* ---- kinds ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const struct ha_driver *driver;
} kinds[] = {
    [HA_NONE] = {"none", &ha_none_driver},
    [HA_FILE] = {"file", &ha_file_driver},
    [HA_ZOOKEEPER] = {"zookeeper", &ha_zookeeper_driver},
};

static bool same_word(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}

int ha_kind_read(const struct conf *conf, enum ha_kind *ret_kind, struct error *err)
{
    const char *type = conf_string(conf, "high-availability.type");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (type == NULL || same_word(type, kinds[i].name)) {
            *ret_kind = (enum ha_kind)i;
            return 0;
        }
    }
    return error_set(
        err, ERR_INVALID_CONFIG,
        "high-availability.type is '%.100s'; there are NONE (no high availability), file (a "
        "folder that all job managers and task managers share) and zookeeper.",
        type);
}

void ha_cluster_name(const struct conf *conf, struct str *ret)
{
    const char *id = conf_string(conf, "high-availability.cluster-id");
    struct slice s = slice_cstr(id != NULL ? id : "default");
    while (s.len > 0 && s.data[0] == '/') {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && s.data[s.len - 1] == '/') {
        s.len--;
    }
    str_clear(ret);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        bool plain = isalnum((unsigned char)c) || c == '-' || c == '_' || (c == '.' && i > 0);
        str_append_char(ret, plain ? c : '_');
    }
    if (ret->len == 0) {
        str_append_cstr(ret, "default");
    }
}

/* ---- life ------------------------------------------------------------------------------------------ */

static int find_storage(struct ha *ha, const struct conf *conf, struct error *err)
{
    STR_AUTO cluster = STR_INIT;
    STR_AUTO root = STR_INIT;
    struct fs_location location;
    if (!conf_has_value(conf, "high-availability.storageDir")) {
        return ha->kind == HA_NONE
                   ? 0
                   : error_set(err, ERR_INVALID_CONFIG,
                               "high-availability.type is %s, so high-availability.storageDir must "
                               "name the folder that all job managers share",
                               kinds[ha->kind].name);
    }
    TRY_CTX(err,
            fs_location_parse(conf_string(conf, "high-availability.storageDir"), &location, err),
            "reading high-availability.storageDir");
    fs_location_format(&location, &root);
    fs_location_fini(&location);
    ha_cluster_name(conf, &cluster);
    str_printf(&ha->storage_dir, "%s/%s", str_cstr(&root), str_cstr(&cluster));
    return 0;
}

static struct ha *ha_new(void)
{
    struct ha *ha = MEM_NEW(struct ha);
    pthread_condattr_t attr;
    pthread_mutex_init(&ha->lock, NULL);
    pthread_mutex_init(&ha->store_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ha->changed, &attr);
    pthread_condattr_destroy(&attr);
    return ha;
}

int ha_open(const struct conf *conf, const struct ha_watcher *watcher, struct ha **ret,
            struct error *err)
{
    struct ha *ha = ha_new();
    if (watcher != NULL) {
        ha->watcher = *watcher;
    }
    int rc = ha_kind_read(conf, &ha->kind, err);
    if (rc == 0) {
        rc = find_storage(ha, conf, err);
    }
    if (rc == 0) {
        ha->driver = kinds[ha->kind].driver;
        rc = ha->driver->open(conf, ha, &ha->self, err);
    }
    if (rc < 0) {
        ha_close(ha);
        return rc;
    }
    *ret = ha;
    return 0;
}

struct ha *ha_close(struct ha *ha)
{
    if (ha == NULL) {
        return NULL;
    }
    if (ha->self != NULL) {
        ha_resign(ha);
        ha->driver->close(ha->self);
    }
    str_fini(&ha->storage_dir);
    pthread_cond_destroy(&ha->changed);
    pthread_mutex_destroy(&ha->store_lock);
    pthread_mutex_destroy(&ha->lock);
    mem_free(ha);
    return NULL;
}

bool ha_is_durable(const struct ha *ha)
{
    return ha->kind != HA_NONE;
}

enum ha_kind ha_get_kind(const struct ha *ha)
{
    return ha->kind;
}

const char *ha_storage_dir(const struct ha *ha)
{
    return ha->storage_dir.len > 0 ? str_cstr(&ha->storage_dir) : NULL;
}

/* ---- election --------------------------------------------------------------------------------------- */

struct event {
    struct ha_candidate candidate; /* functions and target */
    struct flinc_id token;
    struct error why;
};

static void run_granted(void *target, void *payload)
{
    struct event *e = payload;
    e->candidate.on_granted(target, &e->token);
    mem_free(e);
}

static void run_revoked(void *target, void *payload)
{
    struct event *e = payload;
    e->candidate.on_revoked(target, &e->why);
    mem_free(e);
}

static void drop_event(void *payload)
{
    mem_free(payload);
}

/* Under the lock, so that posts are in the order of what they say. */
static void post_event(struct ha *ha, int kind, void (*run)(void *, void *),
                       const struct error *why)
{
    struct event *e = MEM_NEW(struct event);
    *e = (struct event){.candidate = ha->candidate, .token = ha->token};
    if (why != NULL) {
        error_copy(&e->why, why);
    }
    struct mailbox_op op = {
        .kind = kind, .run = run, .target = ha->candidate.target, .payload = e, .drop = drop_event};
    if (mailbox_post_internal(ha->candidate.mailbox, MAILBOX_LANE_CONTROL, &op) < 0) {
        mem_free(e);
    }
}

void ha_on_granted(struct ha *ha, const struct flinc_id *token)
{
    pthread_mutex_lock(&ha->lock);
    if (ha->campaigns) {
        ASSERT(!ha->leads);
        ha->leads = true;
        ha->token = *token;
        post_event(ha, ha->candidate.granted_kind, run_granted, NULL);
    }
    pthread_mutex_unlock(&ha->lock);
}

void ha_on_revoked(struct ha *ha, const struct error *why)
{
    pthread_mutex_lock(&ha->lock);
    if (ha->campaigns && ha->leads) {
        ha->leads = false;
        post_event(ha, ha->candidate.revoked_kind, run_revoked, why);
    }
    pthread_mutex_unlock(&ha->lock);
}

int ha_campaign(struct ha *ha, const struct ha_candidate *candidate, struct error *err)
{
    pthread_mutex_lock(&ha->lock);
    ASSERT(!ha->campaigns);
    ha->candidate = *candidate;
    ha->candidate.mailbox = mailbox_ref(candidate->mailbox);
    ha->candidate.name = mem_strdup(candidate->name);
    ha->campaigns = true;
    pthread_mutex_unlock(&ha->lock);
    int rc = ha->driver->campaign(ha->self, candidate->name, err);
    if (rc < 0) {
        ha_resign(ha);
    }
    return rc;
}

void ha_resign(struct ha *ha)
{
    pthread_mutex_lock(&ha->lock);
    bool campaigned = ha->campaigns;
    struct ha_candidate candidate = ha->candidate;
    ha->campaigns = false;
    ha->leads = false;
    pthread_mutex_unlock(&ha->lock);
    if (campaigned) {
        ha->driver->resign(ha->self);
        mailbox_unref(candidate.mailbox);
        mem_free((char *)candidate.name);
    }
}

bool ha_leads(const struct ha *ha, const struct flinc_id *token)
{
    struct ha *h = (struct ha *)ha; /* its lock */
    pthread_mutex_lock(&h->lock);
    bool leads = ha->leads && id_eq(&ha->token, token);
    pthread_mutex_unlock(&h->lock);
    return leads;
}

/* ---- the leader's address --------------------------------------------------------------------------- */

void ha_on_leader(struct ha *ha, const struct ha_leader *leader)
{
    pthread_mutex_lock(&ha->lock);
    bool same = leader == NULL
                    ? !ha->has_leader
                    : ha->has_leader && memcmp(&ha->leader, leader, sizeof(*leader)) == 0;
    ha->has_leader = leader != NULL;
    if (leader != NULL) {
        ha->leader = *leader;
    }
    pthread_cond_broadcast(&ha->changed);
    pthread_mutex_unlock(&ha->lock);
    if (!same && ha->watcher.on_change != NULL) {
        ha->watcher.on_change(ha->watcher.arg, leader);
    }
}

int ha_announce(struct ha *ha, const struct ha_leader *leader, struct error *err)
{
    if (!ha_leads(ha, &leader->token)) {
        return error_set(err, ERR_FENCED, "the leadership is over");
    }
    pthread_mutex_lock(&ha->store_lock);
    int rc = ha->driver->announce(ha->self, leader, err);
    pthread_mutex_unlock(&ha->store_lock);
    return rc;
}

bool ha_find_leader(struct ha *ha, struct ha_leader *ret_leader)
{
    pthread_mutex_lock(&ha->lock);
    bool found = ha->has_leader;
    if (found) {
        *ret_leader = ha->leader;
    }
    pthread_mutex_unlock(&ha->lock);
    return found;
}

int ha_wait_leader(struct ha *ha, int64_t timeout_ms, struct ha_leader *ret_leader,
                   struct error *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    pthread_mutex_lock(&ha->lock);
    int waited = 0;
    while (!ha->has_leader && waited == 0) {
        waited = pthread_cond_timedwait(&ha->changed, &ha->lock, &until);
    }
    bool found = ha->has_leader;
    if (found) {
        *ret_leader = ha->leader;
    }
    pthread_mutex_unlock(&ha->lock);
    if (!found) {
        STR_AUTO where = STR_INIT;
        ha->driver->describe(ha->self, &where);
        return error_set(err, ERR_TIMEOUT,
                         "no job manager leads: nothing was found within %lld ms in %s. Check that "
                         "a job manager of this cluster runs, and high-availability.cluster-id",
                         (long long)timeout_ms, str_cstr(&where));
    }
    return 0;
}

/* ---- envelopes -------------------------------------------------------------------------------------- */

enum {
    ENVELOPE_VALUE = 1, /* the value follows */
    ENVELOPE_FILE =
        2, /* 8 bytes size, 4 bytes CRC-32C (little endian), the name of the file in storageDir */
    ENVELOPE_FILE_BYTES = 1 + 8 + 4,
};

struct value_file {
    uint64_t size;
    uint32_t crc;
    char *uri; /* Owns */
};

static void put_le(struct str *s, uint64_t v, int n)
{
    for (int i = 0; i < n; i++) {
        str_append_char(s, (char)(v >> (8 * i)));
    }
}

static uint64_t get_le(const char *p, int n)
{
    uint64_t v = 0;
    for (int i = 0; i < n; i++) {
        v |= (uint64_t)(uint8_t)p[i] << (8 * i);
    }
    return v;
}

/* 1: it is a file; 0: the value follows its first byte. */
static int envelope_read(const struct ha *ha, const char *name, const struct str *envelope,
                         struct value_file *ret, struct error *err)
{
    if (envelope->len >= 1 && envelope->data[0] == ENVELOPE_VALUE) {
        return 0;
    }
    if (envelope->len > ENVELOPE_FILE_BYTES && envelope->data[0] == ENVELOPE_FILE &&
        memchr(envelope->data + ENVELOPE_FILE_BYTES, '/', envelope->len - ENVELOPE_FILE_BYTES) ==
            NULL) {
        struct str uri = STR_INIT;
        ret->size = get_le(envelope->data + 1, 8);
        ret->crc = (uint32_t)get_le(envelope->data + 9, 4);
        str_printf(&uri, "%s/%.*s", str_cstr(&ha->storage_dir),
                   (int)(envelope->len - ENVELOPE_FILE_BYTES),
                   envelope->data + ENVELOPE_FILE_BYTES);
        ret->uri = str_take(&uri);
        return 1;
    }
    return error_set(
        err, ERR_CORRUPT,
        "what high availability keeps under %s is damaged: %zu bytes that are neither a "
        "value nor the name of a file",
        name, envelope->len);
}

static int write_file(const char *uri, struct slice value, struct error *err)
{
    struct fs_output *out = NULL;
    TRY(FAILPOINT(err, "ha.value.before_write"));
    TRY(fs_create(uri, FS_CREATE_NEW, &out, err));
    int rc = fs_output_write(out, value.data, value.len, err);
    if (rc == 0) {
        rc = fs_output_sync(out, err);
    }
    if (rc == 0) {
        rc = fs_output_close(&out, err);
    }
    fs_output_abandon(out);
    return rc < 0 ? rc : FAILPOINT(err, "ha.value.after_write");
}

static void delete_file(const char *uri)
{
    struct error err = ERROR_INIT;
    int rc = FAILPOINT(&err, "ha.value.before_delete");
    if (rc == 0) {
        rc = fs_delete(uri, FS_DELETE_ONE, &err);
    }
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        LOG_WARN(topic, "%s is not needed any more and could not be deleted; it stays: %s", uri,
                 err.message);
    }
}

/* Fills the envelope; *ret_uri: the file that was written, NULL: none. */
static int envelope_make(const struct ha *ha, const char *name, struct slice value,
                         struct str *envelope, char **ret_uri, struct error *err)
{
    struct rng rng;
    struct flinc_id random;
    char hex[ID_HEX_LEN + 1];
    STR_AUTO file = STR_INIT;
    STR_AUTO uri = STR_INIT;
    *ret_uri = NULL;
    if (value.len > HA_VALUE_MAX) {
        return error_set(err, ERR_TOO_LARGE, "%s has %zu bytes; %d are the most", name, value.len,
                         HA_VALUE_MAX);
    }
    if (value.len <= HA_INLINE_MAX || ha->storage_dir.len == 0) {
        str_append_char(envelope, ENVELOPE_VALUE);
        str_append_slice(envelope, value);
        return 0;
    }
    rng_init_system(&rng);
    id_random(&random, &rng);
    id_format(&random, hex);
    str_printf(&file, "%s-%.12s", name, hex);
    for (size_t i = 0; i < file.len; i++) {
        file.data[i] = file.data[i] == '/' ? '-' : file.data[i];
    }
    str_printf(&uri, "%s/%s", str_cstr(&ha->storage_dir), str_cstr(&file));
    int rc = write_file(str_cstr(&uri), value, err);
    if (rc == 0) {
        rc = fs_sync_folder(str_cstr(&ha->storage_dir), err);
    }
    if (rc < 0) {
        error_context(err, "writing %s (high-availability.storageDir)", str_cstr(&uri));
        delete_file(str_cstr(&uri));
        return rc;
    }
    str_append_char(envelope, ENVELOPE_FILE);
    put_le(envelope, value.len, 8);
    put_le(envelope, crc32c(0, value.data, value.len), 4);
    str_append_slice(envelope, str_slice(&file));
    *ret_uri = str_take(&uri);
    return 0;
}

static int read_file(const struct value_file *f, struct str *ret, struct error *err)
{
    struct fs_input *in = NULL;
    size_t n = 0;
    TRY(fs_open(f->uri, FS_ACCESS_SEQUENTIAL, &in, err));
    int rc = 0;
    if (fs_input_size(in) != f->size || f->size > HA_VALUE_MAX) {
        rc = error_set(err, ERR_CORRUPT, "%s has %llu bytes, %llu were written: it is damaged",
                       f->uri, (unsigned long long)fs_input_size(in), (unsigned long long)f->size);
    } else {
        str_clear(ret);
        str_reserve(ret, f->size);
        rc = fs_input_read_at(in, 0, ret->data, f->size, &n, err);
    }
    fs_input_close(in);
    if (rc == 0 && (n != f->size || crc32c(0, ret->data, n) != f->crc)) {
        rc = error_set(err, ERR_CORRUPT, "%s is damaged: its checksum is another one", f->uri);
    }
    if (rc == 0) {
        ret->len = n;
        ret->data[n] = '\0';
    }
    return rc;
}

/* ---- store ------------------------------------------------------------------------------------------ */

static int check_name(const char *name, struct error *err)
{
    size_t len = strlen(name);
    bool good = len > 0 && len <= HA_NAME_MAX && name[0] != '/' && name[len - 1] != '/';
    for (size_t i = 0; good && i < len; i++) {
        bool starts = i == 0 || name[i - 1] == '/';
        good = isalnum((unsigned char)name[i]) || name[i] == '-' || name[i] == '_' ||
               (name[i] == '/' && !starts) || (name[i] == '.' && !starts);
    }
    return good ? 0
                : error_set(err, ERR_INVALID_ARGUMENT, "'%.200s' is no name of the store", name);
}

/* The file that a name has now; NULL: none, or nobody can tell. */
static char *current_file(struct ha *ha, const struct flinc_id *token, const char *name)
{
    STR_AUTO envelope = STR_INIT;
    struct value_file file = {0};
    struct error ignored = ERROR_INIT;
    if (ha->driver->get(ha->self, token, name, &envelope, &ignored) < 0 ||
        envelope_read(ha, name, &envelope, &file, &ignored) != 1) {
        return NULL;
    }
    return file.uri;
}

/* Under store_lock. */
static int write_name(struct ha *ha, const struct flinc_id *token, enum ha_write what,
                      const char *name, struct slice value, struct error *err)
{
    STR_AUTO envelope = STR_INIT;
    char *fresh = NULL;
    char *old = what == HA_WRITE_CREATE ? NULL : current_file(ha, token, name);
    int rc = what == HA_WRITE_REMOVE ? 0 : envelope_make(ha, name, value, &envelope, &fresh, err);
    if (rc == 0) {
        rc = ha->driver->write(ha->self, token, what, name, str_slice(&envelope), err);
        if (rc < 0 && rc != ERR_TIMEOUT && fresh != NULL) {
            delete_file(fresh); /* nothing refers to it */
        } else if (rc == 0 && old != NULL) {
            delete_file(old);
        }
    }
    mem_free(old);
    mem_free(fresh);
    return rc;
}

static int locked_write(struct ha *ha, const struct flinc_id *token, enum ha_write what,
                        const char *name, struct slice value, struct error *err)
{
    TRY(check_name(name, err));
    pthread_mutex_lock(&ha->store_lock);
    int rc = write_name(ha, token, what, name, value, err);
    pthread_mutex_unlock(&ha->store_lock);
    return rc;
}

int ha_create(struct ha *ha, const struct flinc_id *token, const char *name, struct slice value,
              struct error *err)
{
    return locked_write(ha, token, HA_WRITE_CREATE, name, value, err);
}

int ha_replace(struct ha *ha, const struct flinc_id *token, const char *name, struct slice value,
               struct error *err)
{
    return locked_write(ha, token, HA_WRITE_REPLACE, name, value, err);
}

int ha_remove(struct ha *ha, const struct flinc_id *token, const char *name, struct error *err)
{
    return locked_write(ha, token, HA_WRITE_REMOVE, name, slice_make(NULL, 0), err);
}

int ha_put(struct ha *ha, const struct flinc_id *token, const char *name, struct slice value,
           struct error *err)
{
    int rc = ha_replace(ha, token, name, value, err);
    return rc == ERR_NOT_FOUND ? ha_create(ha, token, name, value, err) : rc;
}

int ha_remove_all(struct ha *ha, const struct flinc_id *token, const char *name, struct error *err)
{
    struct vec below = VEC_INIT(char *);
    int rc = ha_list(ha, token, name, &below, err);
    for (size_t i = 0; rc == 0 && i < below.len; i++) {
        STR_AUTO path = STR_INIT;
        str_printf(&path, "%s/%s", name, (const char *)vec_ptr(&below, i));
        rc = ha_remove_all(ha, token, str_cstr(&path), err);
    }
    ha_names_fini(&below);
    if (rc == 0) {
        rc = ha_remove(ha, token, name, err);
    }
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

int ha_get(struct ha *ha, const struct flinc_id *token, const char *name, struct str *ret_value,
           struct error *err)
{
    STR_AUTO envelope = STR_INIT;
    struct value_file file = {0};
    TRY(check_name(name, err));
    pthread_mutex_lock(&ha->store_lock);
    int rc = ha->driver->get(ha->self, token, name, &envelope, err);
    pthread_mutex_unlock(&ha->store_lock);
    if (rc == 0) {
        rc = envelope_read(ha, name, &envelope, &file, err);
    }
    if (rc == 0) {
        str_clear(ret_value);
        str_append(ret_value, envelope.data + 1, envelope.len - 1);
    } else if (rc == 1) {
        rc = read_file(&file, ret_value, err);
    }
    mem_free(file.uri);
    return rc;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int ha_list(struct ha *ha, const struct flinc_id *token, const char *name, struct vec *ret_names,
            struct error *err)
{
    TRY(check_name(name, err));
    pthread_mutex_lock(&ha->store_lock);
    int rc = ha->driver->list(ha->self, token, name, ret_names, err);
    pthread_mutex_unlock(&ha->store_lock);
    if (rc == 0 && ret_names->len > 1) {
        qsort(ret_names->data, ret_names->len, sizeof(char *), compare_names);
    }
    return rc;
}

void ha_names_fini(struct vec *names)
{
    for (size_t i = 0; i < names->len; i++) {
        mem_free(vec_ptr(names, i));
    }
    vec_fini(names);
}
