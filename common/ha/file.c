/* High availability in a shared folder: the election, the leader's writes, its address; see README.md.
 *
 * A thread looks every poll_ms: a candidate follows the records and takes over when the owner of the newest segment is dead; a
 * leader gives a sign of life and looks whether it was overtaken; everybody looks where the leader is.
 *
 * Thread: store calls any; all under driver.lock, which is held over the disk.  Flink has no counterpart. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/thread.h"
#include "common/fs/fs.h"
#include "common/ha/file_beat.h"
#include "common/ha/file_log.h"
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char topic[] = "flinc.ha";

enum {
    POLL_MAX_MS = 100,
    SEGMENT_RECORDS_MAX = 1000, /* then a new segment begins */
    SEGMENT_BYTES_MAX = 8 * 1024 * 1024,
};

struct file_driver {
    struct ha *ha;  /* Borrows */
    struct str dir; /* Owns; storageDir/<cluster-id>/ha */
    int64_t timeout_ms, poll_ms;
    pthread_t thread;
    bool has_thread;
    _Atomic bool stops;
    struct event_count event;

    pthread_mutex_t lock; /* guards the following */
    struct file_log log;
    bool log_open;
    bool campaigns, leads;
    bool gives_up; /* a write has failed so that nobody may write under this token any more */
    struct error give_up_why;
    char *name; /* Owns; of the candidate */
    struct flinc_id token;
    uint64_t epoch; /* of this leadership */
    struct file_beat beat;
    struct file_watch watch;
    uint64_t n_failures; /* in a row */
    struct rng rng;      /* of tokens */
};

/* ---- where the leader is ------------------------------------------------------------------------------ */

static void leader_path(const struct file_driver *d, uint64_t epoch, struct str *ret)
{
    str_clear(ret);
    str_printf(ret, "%s/leader-%010llu", str_cstr(&d->dir), (unsigned long long)epoch);
}

/* Calls fn for each leader-<epoch>. */
static void each_leader_file(const struct file_driver *d, void (*fn)(void *arg, uint64_t epoch),
                             void *arg)
{
    DIR *dir = opendir(str_cstr(&d->dir));
    struct dirent *e;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, "leader-", 7) == 0) {
            fn(arg, strtoull(e->d_name + 7, NULL, 10));
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

static void take_highest(void *arg, uint64_t epoch)
{
    uint64_t *highest = arg;
    *highest = MAX(*highest, epoch);
}

/* "<token>\n<rpc address>\n<REST URL>\n" */
static bool parse_leader(struct slice text, struct ha_leader *ret)
{
    struct slice rest = text, line;
    char hex[ID_HEX_LEN + 1];
    *ret = (struct ha_leader){.rpc_address = ""};
    if (!slice_next(&rest, '\n', &line) || line.len != ID_HEX_LEN) {
        return false;
    }
    memcpy(hex, line.data, ID_HEX_LEN);
    hex[ID_HEX_LEN] = '\0';
    char *const fields[] = {ret->rpc_address, ret->rest_url};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!slice_next(&rest, '\n', &line) || line.len >= HA_ADDRESS_MAX || rest.data == NULL) {
            return false;
        }
        memcpy(fields[i], line.data, line.len);
    }
    return id_parse(hex, &ret->token);
}

/* Thread: the driver's; no lock. */
static void look_for_leader(struct file_driver *d)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO text = STR_INIT;
    struct error ignored = ERROR_INIT;
    struct ha_leader leader;
    uint64_t epoch = 0;
    each_leader_file(d, take_highest, &epoch);
    leader_path(d, epoch, &path);
    bool found = epoch > 0 && file_read(str_cstr(&path), &text, &ignored) == 0 &&
                 parse_leader(str_slice(&text), &leader);
    ha_on_leader(d->ha, found ? &leader : NULL);
}

static int file_announce(void *self, const struct ha_leader *leader, struct error *err)
{
    struct file_driver *d = self;
    STR_AUTO path = STR_INIT;
    STR_AUTO text = STR_INIT;
    char hex[ID_HEX_LEN + 1];
    id_format(&leader->token, hex);
    str_printf(&text, "%s\n%s\n%s\n", hex, leader->rpc_address, leader->rest_url);
    pthread_mutex_lock(&d->lock);
    int rc = 0;
    if (!d->leads || !id_eq(&d->token, &leader->token)) {
        rc = error_set(err, ERR_FENCED, "the leadership is over");
    } else {
        leader_path(d, d->epoch, &path);
        rc = file_put(&d->log, str_cstr(&path), str_slice(&text), err);
    }
    pthread_mutex_unlock(&d->lock);
    event_count_signal(&d->event);
    return rc;
}

/* ---- leading; under the lock --------------------------------------------------------------------------- */

struct leader_files {
    struct file_driver *d;
    uint64_t below;
};

static void remove_leader_file(void *arg, uint64_t epoch)
{
    const struct leader_files *f = arg;
    STR_AUTO path = STR_INIT;
    if (epoch < f->below) {
        leader_path(f->d, epoch, &path);
        (void)unlink(str_cstr(&path));
    }
}

/* Addresses of leaderships below this epoch are nobody's. */
static void remove_addresses(struct file_driver *d, uint64_t epoch)
{
    struct leader_files f = {d, epoch};
    each_leader_file(d, remove_leader_file, &f);
}

static int take_over(struct file_driver *d, struct error *err)
{
    struct flinc_id before = d->log.state.owner;
    id_random(&d->token, &d->rng);
    TRY(file_beat_begin(&d->beat, str_cstr(&d->dir), &d->token, err));
    uint64_t epoch = d->log.state.epoch + 1;
    int rc = file_log_take(&d->log, &d->token, epoch, d->name, err);
    if (rc < 0) {
        file_beat_end(&d->beat);
        return rc;
    }
    d->leads = true;
    d->gives_up = false;
    d->epoch = epoch;
    file_beat_remove(str_cstr(&d->dir), &before);
    remove_addresses(d, epoch);
    file_log_sweep(&d->log);
    return 0;
}

static void step_down(struct file_driver *d)
{
    d->leads = false;
    file_beat_end(&d->beat);
    d->watch = (struct file_watch){.count = 0};
}

/* Nothing can be written under this token any more. */
static void give_up(struct file_driver *d, const struct error *why)
{
    if (d->leads && !d->gives_up) {
        d->gives_up = true;
        error_copy(&d->give_up_why, why);
        event_count_signal(&d->event);
    }
}

/* ---- the thread ---------------------------------------------------------------------------------------- */

/* Says so at the first, second, fourth, ... time. */
static void count_failure(struct file_driver *d, const struct error *why)
{
    uint64_t n = ++d->n_failures;
    if ((n & (n - 1)) == 0) {
        LOG_WARN(topic, "The folder of high availability cannot be used; trying again: %s",
                 why->message);
    }
}

/* True: it leads now. */
static bool candidate_turn(struct file_driver *d)
{
    struct error err = ERROR_INIT;
    const char *why = "nobody has led before";
    int rc = d->log_open ? file_log_follow(&d->log, &err)
                         : file_log_open(&d->log, str_cstr(&d->dir), &err);
    if (!d->log_open) {
        d->log_open = rc == 0;
        if (rc < 0) {
            file_log_close(&d->log);
        }
    }
    if (rc == 0) {
        const struct file_state *s = &d->log.state;
        if (!file_state_is_vacant(s) &&
            !file_watch_is_dead(&d->watch, str_cstr(&d->dir), &s->owner, d->timeout_ms, &why)) {
            d->n_failures = 0;
            return false;
        }
        LOG_INFO(topic, "Trying to take the leadership from %s: %s.",
                 file_state_is_vacant(s) ? "nobody" : str_cstr(&s->owner_name), why);
        rc = take_over(d, &err);
    }
    if (rc == 0) {
        d->n_failures = 0;
    } else if (rc != ERR_FENCED) {
        count_failure(d, &err);
    }
    return rc == 0;
}

/* True: the leadership is over. */
static bool leader_turn(struct file_driver *d, struct error *ret_why)
{
    struct error err = ERROR_INIT;
    if (d->gives_up) {
        error_copy(ret_why, &d->give_up_why);
        return true;
    }
    if (file_log_is_overtaken(&d->log)) {
        error_set(ret_why, ERR_FENCED, "another job manager has taken the leadership");
        return true;
    }
    if (file_beat_again(&d->beat, &err) < 0) {
        count_failure(d, &err);
        if (d->n_failures * (uint64_t)d->poll_ms > (uint64_t)d->timeout_ms) {
            error_copy(ret_why, &err);
            return true;
        }
        return false;
    }
    d->n_failures = 0;
    return false;
}

static void turn(struct file_driver *d)
{
    struct error why = ERROR_INIT;
    struct flinc_id token;
    bool granted = false, revoked = false;
    pthread_mutex_lock(&d->lock);
    if (d->leads) {
        revoked = leader_turn(d, &why);
        if (revoked) {
            step_down(d);
        }
    } else if (d->campaigns) {
        granted = candidate_turn(d);
        token = d->token;
    }
    pthread_mutex_unlock(&d->lock);
    if (granted) {
        ha_on_granted(d->ha, &token);
    } else if (revoked) {
        ha_on_revoked(d->ha, &why);
    }
    look_for_leader(d);
}

static void *run(void *arg)
{
    struct file_driver *d = arg;
    while (!d->stops) {
        uint32_t ticket = event_count_prepare(&d->event);
        turn(d);
        if (d->stops) {
            event_count_cancel(&d->event);
            break;
        }
        (void)event_count_wait(&d->event, ticket, d->poll_ms * 1000000);
    }
    return NULL;
}

/* ---- candidacy ----------------------------------------------------------------------------------------- */

static int file_campaign(void *self, const char *candidate_name, struct error *err)
{
    struct file_driver *d = self;
    TRY_CTX(err, fs_mkdirs(str_cstr(&d->dir), err),
            "making the folder of high availability (high-availability.storageDir)");
    pthread_mutex_lock(&d->lock);
    d->name = mem_strdup(candidate_name);
    d->campaigns = true;
    pthread_mutex_unlock(&d->lock);
    event_count_signal(&d->event);
    return 0;
}

static void file_resign(void *self)
{
    static const struct flinc_id nobody;
    struct file_driver *d = self;
    struct error err = ERROR_INIT;
    pthread_mutex_lock(&d->lock);
    if (d->leads) {
        remove_addresses(d, d->epoch + 1);
        if (!d->gives_up && file_log_take(&d->log, &nobody, d->epoch, d->name, &err) < 0) {
            LOG_DEBUG(topic, "The leadership ends by time: %s", err.message);
        }
        step_down(d);
    }
    d->campaigns = false;
    mem_free(d->name);
    d->name = NULL;
    pthread_mutex_unlock(&d->lock);
}

/* ---- store --------------------------------------------------------------------------------------------- */

/* Under the lock. */
static int check_token(const struct file_driver *d, const struct flinc_id *token, struct error *err)
{
    return d->leads && !d->gives_up && id_eq(&d->token, token)
               ? 0
               : error_set(err, ERR_FENCED, "the leadership is over");
}

/* Many records: a new segment begins with what they come to. */
static int begin_segment(struct file_driver *d, struct error *err)
{
    if (d->log.next <= SEGMENT_RECORDS_MAX && d->log.bytes <= SEGMENT_BYTES_MAX) {
        return 0;
    }
    TRY(file_log_take(&d->log, &d->token, d->epoch, d->name, err));
    file_log_sweep(&d->log);
    return 0;
}

static int write_record(struct file_driver *d, enum ha_write what, const char *name,
                        struct slice value, struct error *err)
{
    STR_AUTO record = STR_INIT;
    struct error why = ERROR_INIT;
    TRY(entries_check(&d->log.state.entries, what, name, err));
    file_record_write(what, name, value, &record);
    int rc = file_log_append(&d->log, str_slice(&record), &why);
    if (rc == 0) {
        rc = begin_segment(d, &why);
        if (rc < 0) { /* the write itself has happened */
            give_up(d, &why);
        }
        return 0;
    }
    if (rc == ERR_FENCED || rc == ERR_TIMEOUT) {
        give_up(d, &why);
    }
    if (err != NULL) {
        error_copy(err, &why);
        err->code = rc;
    }
    return rc;
}

static int file_write(void *self, const struct flinc_id *token, enum ha_write what,
                      const char *name, struct slice value, struct error *err)
{
    struct file_driver *d = self;
    pthread_mutex_lock(&d->lock);
    int rc = check_token(d, token, err);
    if (rc == 0) {
        rc = write_record(d, what, name, value, err);
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

static int file_get(void *self, const struct flinc_id *token, const char *name,
                    struct str *ret_value, struct error *err)
{
    struct file_driver *d = self;
    pthread_mutex_lock(&d->lock);
    int rc = check_token(d, token, err);
    if (rc == 0) {
        rc = entries_get(&d->log.state.entries, name, ret_value, err);
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

static int file_list(void *self, const struct flinc_id *token, const char *name,
                     struct vec *ret_names, struct error *err)
{
    struct file_driver *d = self;
    pthread_mutex_lock(&d->lock);
    int rc = check_token(d, token, err);
    if (rc == 0) {
        entries_list(&d->log.state.entries, name, ret_names);
    }
    pthread_mutex_unlock(&d->lock);
    return rc;
}

/* ---- life ----------------------------------------------------------------------------------------------- */

static void file_close(void *self)
{
    struct file_driver *d = self;
    d->stops = true;
    event_count_signal(&d->event);
    if (d->has_thread) {
        thread_join(d->thread);
    }
    if (d->log_open) {
        file_log_close(&d->log);
    }
    pthread_mutex_destroy(&d->lock);
    mem_free(d->name);
    str_fini(&d->dir);
    mem_free(d);
}

static int find_dir(struct file_driver *d, const struct conf *conf, struct error *err)
{
    struct fs_location location;
    STR_AUTO cluster = STR_INIT;
    TRY(fs_location_parse(conf_string(conf, "high-availability.storageDir"), &location, err));
    int rc = 0;
    if (strcmp(location.scheme, "file") != 0) {
        rc = error_set(err, ERR_INVALID_CONFIG,
                       "high-availability.storageDir is on '%s', but high-availability.type: file "
                       "needs a folder that job managers and task managers have mounted; other "
                       "storages go with high-availability.type: zookeeper",
                       location.scheme);
    } else {
        ha_cluster_name(conf, &cluster);
        str_printf(&d->dir, "%s/%s/ha", location.path, str_cstr(&cluster));
    }
    fs_location_fini(&location);
    return rc;
}

static int file_open(const struct conf *conf, struct ha *ha, void **ret_self, struct error *err)
{
    struct file_driver *d = MEM_NEW(struct file_driver);
    d->ha = ha;
    d->beat = (struct file_beat)FILE_BEAT_INIT;
    d->timeout_ms = conf_duration_ms(conf, "high-availability.file.session-timeout");
    d->poll_ms = MIN((int64_t)POLL_MAX_MS, d->timeout_ms / 10);
    d->poll_ms = MAX(d->poll_ms, (int64_t)1);
    rng_init_system(&d->rng);
    pthread_mutex_init(&d->lock, NULL);
    int rc = find_dir(d, conf, err);
    if (rc == 0) {
        rc = thread_start(&d->thread, "ha-file", run, d, err);
        d->has_thread = rc == 0;
    }
    if (rc < 0) {
        file_close(d);
        return rc;
    }
    *ret_self = d;
    return 0;
}

static void file_describe(const void *self, struct str *ret)
{
    const struct file_driver *d = self;
    str_printf(ret, "%s (high-availability.storageDir)", str_cstr(&d->dir));
}

const struct ha_driver ha_file_driver = {
    .name = "file",
    .open = file_open,
    .close = file_close,
    .campaign = file_campaign,
    .resign = file_resign,
    .announce = file_announce,
    .write = file_write,
    .get = file_get,
    .list = file_list,
    .describe = file_describe,
};
