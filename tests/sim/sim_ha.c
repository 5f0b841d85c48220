/* What must hold of leaders, and of what they write down.  The truth is what ZooKeeper's servers have done, transaction by
 * transaction (sim_ha_on_change):
 *
 *   - only who has the lowest latch writes;
 *   - a job whose submission was acknowledged has a graph until it has ended, and ends once; one that has ended does not run again,
 *     and has no new checkpoint;
 *   - numbers of checkpoints grow, whoever leads; the newest one that counts has a pointer as long as its job goes on;
 *   - what a pointer says is there, and stays (sim_file.refs);
 *   - the result goes last;
 *   - bounds of the parallelism are written down before they hold (sim_bounds.c).
 *
 * After healing one leads, everybody follows it, and what was acknowledged runs there or has ended.  See sim.h. */
#include "tests/sim/sim.h"

#include "common/base/log.h"
#include "common/fs/driver.h"
#include "engine/snapshot/metadata.h"
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include <stdio.h>
#include <stdlib.h>

#define ROOT "/flink/sim"

struct sim *sim_ha_current;

struct sim_zk *sim_ha_ensemble(void)
{
    return &sim_ha_current->zk;
}

bool sim_ha_chance(struct sim *s, uint32_t percent)
{
    return sim_ha_below(s, 100) < percent;
}

uint32_t sim_ha_below(struct sim *s, uint32_t n)
{
    return (uint32_t)rng_below(&s->fibers.rng, n);
}

/* ---- who is who ------------------------------------------------------------------------------------------- */

static struct sim_jm *jm_of(struct sim *s, const struct sim_process *p)
{
    for (uint32_t i = 0; p != NULL && i < s->n_jms; i++) {
        if (&s->jms[i].process == p) {
            return &s->jms[i];
        }
    }
    return NULL;
}

struct sim_jm *sim_ha_at(struct sim *s)
{
    return jm_of(s, s->fibers.process);
}

uint64_t sim_ha_writer(struct sim *s)
{
    const struct sim_jm *jm = sim_ha_at(s);
    return jm != NULL ? jm->epoch : 0;
}

bool sim_ha_is_cut_off(struct sim *s)
{
    const struct sim_jm *jm = sim_ha_at(s);
    return jm != NULL && sim_now_ms(s) < jm->storage_cut_until_ms;
}

struct sim_jm *sim_ha_leader(struct sim *s)
{
    int64_t session = sim_zk_lowest(&s->zk, ROOT "/leader/latch");
    return session != 0 ? jm_of(s, sim_zk_process(&s->zk, session)) : NULL;
}

void sim_ha_point(struct sim *s)
{
    struct sim_jm *jm = sim_ha_leader(s);
    bool leads = jm != NULL && jm->up && jm->serves && !jm->retires;
    s->d = leads ? jm->services.dispatcher : NULL;
    s->rm = leads ? jm->services.resourcemanager : NULL;
    s->leader = leads ? jm->services.token : (struct flinc_id){{0}};
}

struct sim_run *sim_ha_run(struct sim *s, const struct flinc_id *job_id,
                           const struct flinc_id *token)
{
    for (size_t i = s->runs.len; i > 0; i--) {
        struct sim_run *r = vec_ptr(&s->runs, i - 1);
        if (id_eq(&r->job_id, job_id) && id_eq(&r->token, token)) {
            return r;
        }
    }
    struct sim_run *r = MEM_NEW(struct sim_run);
    r->job_id = *job_id;
    r->token = *token;
    memset(r->generation, -1, sizeof(r->generation));
    vec_push_ptr(&s->runs, r);
    const struct sim_job *job = sim_find_job(s, job_id);
    const struct sim_jm *leader = sim_ha_leader(s);
    for (uint32_t n = 0; leader != NULL && n < s->n_jms; n++) {
        /* One that begins under who leads has not ended before. */
        if (&s->jms[n] == leader && job->ledger.ended && job->ledger.ended_epoch != leader->epoch &&
            leader->up && !leader->retires && leader->services.dispatcher != NULL) {
            const struct dispatched_job *j = map_find_bytes(&leader->services.dispatcher->jobs,
                                                            job_id->bytes, sizeof(job_id->bytes));
            if (j != NULL && j->jm != NULL && id_eq(&j->jm->options.fencing_token, token)) {
                sim_failed(s, __FILE__, __LINE__, "a job that has ended runs again");
            }
        }
    }
    return r;
}

/* ---- links ------------------------------------------------------------------------------------------------- */

/* Thread: of the task manager's high availability. */
static void on_leader(void *arg, const struct ha_leader *leader)
{
    struct sim_node *node = arg;
    if (leader != NULL && node->tm != NULL && !node->process.dead) {
        taskmanager_on_leader(node->tm, &leader->token);
    }
}

void sim_ha_start_tm(struct sim_node *node)
{
    struct error err = ERROR_INIT;
    const struct ha_watcher watcher = {on_leader, node};
    node->process.dead = false;
    node->process.skew_ns = 0;
    struct sim_process *before = sim_enter(&node->process);
    SIM_CHECK(node->s, ha_open(&node->conf, &watcher, &node->ha, &err) == 0);
    (void)sim_enter(before);
}

static void *run_close(void *arg)
{
    struct sim_node *node = arg;
    node->ha = ha_close(node->ha);
    return NULL;
}

void sim_ha_stop_tm(struct sim_node *node)
{
    node->process.dead = true;
    sim_fiber_start(&node->process, "stop", run_close, node);
    SIM_CHECK(node->s, sim_fibers_bury(&node->s->fibers, &node->process));
    node->process.frozen_until_ms = 0;
}

struct sim_jm *sim_ha_target(struct sim_node *node)
{
    struct sim *s = node->s;
    struct ha_leader leader;
    if (node->ha == NULL || !ha_find_leader(node->ha, &leader)) {
        return NULL;
    }
    uint32_t number = (uint32_t)strtoul(leader.rpc_address + strlen("jobmanager-"), NULL, 10);
    struct sim_jm *jm = &s->jms[number];
    SIM_CHECK(s, number < s->n_jms);
    return jm->up && jm->listens && sim_now_ms(s) >= jm->cut_until_ms ? jm : NULL;
}

void sim_ha_cut_links(struct sim_jm *jm, bool gone)
{
    for (uint32_t i = 0; i < jm->s->n_nodes; i++) {
        struct sim_node *node = &jm->s->nodes[i];
        if (node->link != NULL && node->link->jm == jm) {
            sim_link_cut(node);
        }
        if (gone && node->last == jm) {
            sim_link_leader_gone(node);
            node->last = NULL;
        }
    }
}

/* ---- what leaders and clients hear -------------------------------------------------------------------------- */

void sim_ha_on_lead(struct sim_jm *jm)
{
    jm->epoch = ++jm->s->n_epochs;
    jm->s->totals->leaders++;
}

void sim_ha_on_retire(struct sim_jm *jm)
{
    struct sim *s = jm->s;
    for (uint32_t i = 0; i < s->n_jobs && jm->epoch != 0; i++) {
        struct sim_ledger *l = &s->jobs[i].ledger;
        l->hurried |= l->ended_epoch == jm->epoch && sim_now_ms(s) - l->ended_ms < SIM_FILES_GO_MS;
    }
}

void sim_ha_on_crash(struct sim_jm *jm)
{
    struct sim *s = jm->s;
    sim_ha_on_retire(jm);
    for (size_t i = 0; i < s->asks.len; i++) {
        struct sim_ask *ask = vec_ptr(&s->asks, i);
        ask->lost |= ask->jm == jm;
    }
}

void sim_ha_on_submitted(struct sim_jm *jm, struct sim_job *job, int rc, const struct error *err)
{
    struct sim *s = jm->s;
    SIM_CHECK(s, job->rc == 1); /* answered once */
    job->rc = rc;
    if (rc == 0 && !job->ledger.graph && !job->ledger.ended) {
        sim_failed(s, __FILE__, __LINE__, "a submission is acknowledged that is not written down");
    }
    job->ledger.acked = rc == 0;
    /* After a failure nobody knows whether it was kept: who asks again, under the same id, hears it. */
    job->ledger.refused = rc == ERR_INVALID_ARGUMENT;
}

/* ---- what is written down ----------------------------------------------------------------------------------- */

static void check_writer(struct sim *s, const struct sim_zk_change *c)
{
    if (sim_zk_lowest(&s->zk, ROOT "/leader/latch") != c->session) {
        (void)snprintf(s->said, sizeof(s->said), "%s writes %s and does not lead",
                       sim_zk_process(&s->zk, c->session)->name, c->path);
        sim_failed(s, __FILE__, __LINE__, s->said);
    }
}

/* The file that an envelope (common/ha/ha.c) names; NULL: it has the value itself. */
static struct sim_file *file_of(struct sim *s, const char *data, size_t len, bool *ret_is_file)
{
    char path[512];
    *ret_is_file = len > 13 && data[0] == 2;
    (void)snprintf(path, sizeof(path), "sim:/ha/sim/%.*s", *ret_is_file ? (int)len - 13 : 0,
                   data + 13);
    return *ret_is_file ? sim_storage_find(s, path) : NULL;
}

static void hold_value(struct sim *s, const struct sim_zk_change *c)
{
    bool is_file;
    struct sim_file *old = file_of(s, c->old, c->old_len, &is_file);
    if (old != NULL) {
        old->refs--;
        old->was_complete = true;
    }
    struct sim_file *f = file_of(s, c->data, c->len, &is_file);
    if (is_file && (f == NULL || f->size == 0)) {
        (void)snprintf(s->said, sizeof(s->said), "%s names a file that is not there", c->path);
        sim_failed(s, __FILE__, __LINE__, s->said);
    }
    if (f != NULL) {
        f->refs++;
    }
}

/* The value, wherever it is. */
static const char *value_of(struct sim *s, const struct sim_zk_change *c, size_t *ret_len)
{
    bool is_file;
    const struct sim_file *f = file_of(s, c->data, c->len, &is_file);
    *ret_len = is_file ? f->size : c->len > 0 ? c->len - 1 : 0;
    return is_file ? (const char *)f->bytes : c->data + (c->len > 0);
}

static void on_graph(struct sim *s, struct sim_job *job, const struct sim_zk_change *c)
{
    struct sim_ledger *l = &job->ledger;
    if (c->made && l->ended) {
        sim_failed(s, __FILE__, __LINE__, "a job that has ended is written down again");
    }
    if (c->removed && l->acked && !l->ended) {
        sim_failed(s, __FILE__, __LINE__, "a job is lost: its graph goes before its end");
    }
    l->graph = !c->removed;
}

static void on_counter(struct sim *s, struct sim_job *job, const struct sim_zk_change *c)
{
    size_t len;
    STR_AUTO text = STR_INIT;
    const char *value = value_of(s, c, &len);
    str_append(&text, value, len);
    uint64_t n = strtoull(str_cstr(&text), NULL, 10);
    if (!c->removed && n < job->ledger.counter) {
        sim_failed(s, __FILE__, __LINE__, "the counter of checkpoints goes back");
    }
    job->ledger.counter = MAX(job->ledger.counter, n);
}

static void on_pointer(struct sim *s, struct sim_job *job, const struct sim_zk_change *c)
{
    struct sim_ledger *l = &job->ledger;
    uint64_t id = strtoull(fs_base_name(c->path), NULL, 10);
    size_t len;
    if (c->removed) {
        if (!l->ended && id == l->newest && sim_snapshots_counts(s, job, id)) {
            sim_failed(s, __FILE__, __LINE__, "the newest checkpoint of a job loses its pointer");
        }
        sim_snapshots_released(s, job, id, false);
        if (id == l->newest) { /* it was withdrawn: nobody was told of it */
            l->newest = 0;
            char folder[300];
            char hex[ID_HEX_LEN + 1];
            id_format(&job->id, hex);
            (void)snprintf(folder, sizeof(folder), ROOT "/jobs/%s/checkpoints", hex);
            sim_zk_each(&s->zk, folder, sim_ha_note_newest, l);
        }
        return;
    }
    if (l->ended) {
        sim_failed(s, __FILE__, __LINE__, "a job that has ended has a new checkpoint");
    }
    const struct sim_jm *writer = jm_of(s, sim_zk_process(&s->zk, c->session));
    if (writer->epoch != l->writer_epoch) {
        l->writer_epoch = writer->epoch;
        l->floor = l->newest;
    }
    if (id <= l->floor || id == l->newest) {
        sim_failed(s, __FILE__, __LINE__, "the numbers of checkpoints do not grow");
    }
    const char *value = value_of(s, c, &len);
    if (id >
        l->newest) { /* of several at a time one may be late: it counts for nothing, and is withdrawn */
        sim_snapshots_pointed(s, job, id, value, len, false);
        l->newest = id;
    } else {
        sim_snapshots_pointed(s, job, id, value, len, true);
    }
}

void sim_ha_note_newest(void *arg, const char *path)
{
    struct sim_ledger *l = arg;
    l->newest = MAX(l->newest, strtoull(fs_base_name(path), NULL, 10));
}

static void count_path(void *arg, const char *path)
{
    ++*(uint32_t *)arg;
}

static void on_result(struct sim *s, struct sim_job *job, const char *hex,
                      const struct sim_zk_change *c)
{
    struct sim_ledger *l = &job->ledger;
    char folder[200];
    uint32_t left = l->graph;
    size_t len;
    STR_AUTO json = STR_INIT;
    if (c->removed) {
        (void)snprintf(folder, sizeof(folder), ROOT "/jobs/%s", hex);
        sim_zk_each(&s->zk, folder, count_path, &left);
        if (left > 0) {
            sim_failed(s, __FILE__, __LINE__, "a result goes before the rest of its job");
        }
        l->cleaned_epoch = jm_of(s, sim_zk_process(&s->zk, c->session))->epoch;
        return;
    }
    const char *value = value_of(s, c, &len);
    str_append(&json, value, len);
    enum job_status status = strstr(str_cstr(&json), "SUCCEEDED") != NULL  ? JOB_STATUS_FINISHED
                             : strstr(str_cstr(&json), "CANCELED") != NULL ? JOB_STATUS_CANCELED
                                                                           : JOB_STATUS_FAILED;
    bool files_go = strstr(str_cstr(&json), "\"checkpoints-go\":true") != NULL;
    if (l->ended && (c->made || status != l->status || (l->files_go && !files_go))) {
        sim_failed(s, __FILE__, __LINE__, "a job ends twice");
    }
    if (files_go && !sim_goes_with_job(job, status)) {
        sim_failed(s, __FILE__, __LINE__, "checkpoints go that are to be retained");
    }
    if (!files_go && sim_goes_with_job(job, status)) {
        sim_failed(s, __FILE__, __LINE__, "the end of a job does not say that its checkpoints go");
    }
    if (!l->ended) {
        s->totals->ends++;
        l->ended_epoch = jm_of(s, sim_zk_process(&s->zk, c->session))->epoch;
        l->ended_ms = sim_now_ms(s);
    }
    l->ended = true;
    l->status = status;
    l->files_go = files_go;
    sim_snapshots_released(s, job, 0, !files_go);
}

void sim_ha_on_change(struct sim *s, const struct sim_zk_change *c)
{
    static const char *const folders[] = {ROOT "/execution-plans/", ROOT "/jobs/",
                                          ROOT "/results/"};
    sim_trace_bytes(s, c->path, strlen(c->path));
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        size_t len = strlen(folders[i]);
        if (strncmp(c->path, folders[i], len) != 0) {
            continue;
        }
        struct flinc_id id;
        char hex[ID_HEX_LEN + 1] = "";
        (void)snprintf(hex, sizeof(hex), "%s", c->path + len);
        struct sim_job *job = id_parse(hex, &id) ? sim_find_job(s, &id) : NULL;
        SIM_CHECK(s, job != NULL);
        check_writer(s, c);
        if (!c->removed && c->len == 0) {
            return; /* on the way to others */
        }
        hold_value(s, c);
        if (i == 0) {
            on_graph(s, job, c);
        } else if (i == 2) {
            on_result(s, job, hex, c);
        } else if (strstr(c->path, "/requirements") != NULL && !c->removed) {
            size_t value_len;
            const char *value = value_of(s, c, &value_len);
            sim_bounds_written(s, job, value, value_len);
        } else if (strstr(c->path, "/checkpoint_id_counter") != NULL) {
            on_counter(s, job, c);
        } else if (strstr(c->path, "/checkpoints/") != NULL) {
            on_pointer(s, job, c);
        }
    }
}

/* ---- after healing ------------------------------------------------------------------------------------------ */

static const char *check_leaders(struct sim *s)
{
    struct sim_jm *leader = sim_ha_leader(s);
    sim_ha_point(s);
    if (s->d == NULL) {
        return "nobody leads";
    }
    for (uint32_t i = 0; i < s->n_jms; i++) {
        if (!s->jms[i].up || s->jms[i].stops) {
            return "a job manager is down";
        }
        if (&s->jms[i] != leader && s->jms[i].epoch != 0) {
            return "two lead";
        }
    }
    return NULL;
}

static const char *check_kept_job(struct sim *s, const struct sim_job *job, bool *ret_waits)
{
    const struct sim_ledger *l = &job->ledger;
    *ret_waits = false;
    struct job_overview o;
    if (l->ended) {
        bool runs = dispatcher_get_overview(s->d, &job->id, &o) &&
                    !job_status_is_globally_terminal(o.status);
        return sim_count_tasks(s, &job->id) > 0 ? "tasks of an ended job run"
               : runs                           ? "a job that has ended is listed as one that runs"
                                                : NULL;
    }
    if (!l->graph) {
        return l->acked                           ? "a job is lost"
               : sim_count_tasks(s, &job->id) > 0 ? "tasks of a job run that nobody keeps"
                                                  : NULL;
    }
    if (!dispatcher_get_overview(s->d, &job->id, &o)) {
        return "a job that is kept is not listed";
    }
    if (job_status_is_globally_terminal(o.status)) {
        return "a job is shown as ended, and its end is not written down";
    }
    struct sim_job known = *job;
    known.rc = 0;
    known.cancelled = false;
    const char *lost = sim_bounds_lost(s, job);
    return lost != NULL ? lost : sim_check_job(s, &known, ret_waits);
}

const char *sim_ha_unsettled(struct sim *s)
{
    uint32_t n_free = 0;
    const char *what = check_leaders(s);
    what = what == NULL ? sim_check_slots(s, &n_free) : what;
    for (uint32_t i = 0; i < s->n_jobs && what == NULL; i++) {
        bool waits = false;
        what = check_kept_job(s, &s->jobs[i], &waits);
        if (what == NULL && waits && sim_has_room_for(s, &s->jobs[i])) {
            what = "a job waits beside free slots";
        }
    }
    for (uint32_t i = 0; i < s->n_nodes && what == NULL; i++) {
        what = sim_check_places(&s->nodes[i]);
    }
    return what != NULL ? what : sim_unanswered(s);
}

const char *sim_ha_left_over(struct sim *s)
{
    const char *what = check_leaders(s);
    for (uint32_t i = 0; i < s->n_jobs && what == NULL; i++) {
        what = s->jobs[i].ledger.graph ? "the graph of a job is left" : NULL;
    }
    return what != NULL ? what : sim_left_over(s);
}

static void note_left(void *arg, const char *path)
{
    struct sim *s = arg;
    (void)snprintf(s->said, sizeof(s->said), "%s is left in ZooKeeper", path);
}

const char *sim_ha_kept(struct sim *s)
{
    static const char *const folders[] = {ROOT "/execution-plans", ROOT "/jobs", ROOT "/results"};
    const char *what = check_leaders(s);
    if (what != NULL) {
        return what;
    }
    s->said[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        sim_zk_each(&s->zk, folders[i], note_left, s);
    }
    MAP_FOREACH (&s->files, e) {
        const struct sim_file *f = e->value;
        bool is_value = strncmp(e->key, "sim:/ha/", 8) == 0;
        if (is_value && f->refs > 0) {
            (void)snprintf(s->said, sizeof(s->said), "%s is left, and named", e->key);
        } else if (is_value && !f->excused && f->writer == s->n_epochs) {
            (void)snprintf(s->said, sizeof(s->said), "%s is left, and nobody names it", e->key);
        }
    }
    return s->said[0] != '\0' ? s->said : NULL;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

void sim_ha_init(struct sim *s)
{
    static bool registered;
    struct error err = ERROR_INIT;
    sim_ha_current = s;
    if (!registered) {
        registered = true;
        SIM_CHECK(s, fs_driver_register(&sim_fs_driver, &err) == 0);
    }
    sim_fibers_init(&s->fibers, &s->clock, s->seed);
    sim_zk_init(&s->zk, s);
    s->n_jms = 2 + sim_below(s, SIM_JMS_MAX - 1);
    for (uint32_t i = 0; i < s->n_jms; i++) {
        struct sim_jm *jm = &s->jms[i];
        *jm = (struct sim_jm){.s = s, .number = i};
        (void)snprintf(jm->process.name, sizeof(jm->process.name), "jm-%u", i);
        sim_fill_conf(s, &jm->conf);
        sim_jm_start(jm);
    }
}

void sim_ha_fini(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jms; i++) {
        sim_jm_crash(&s->jms[i]);
        conf_fini(&s->jms[i].conf);
    }
    s->totals->expired += s->zk.n_expired;
    s->totals->lost += s->zk.n_lost;
    s->totals->transactions += s->zk.n_transactions;
    s->totals->fenced_writes += s->zk.n_fenced;
    s->totals->switches += s->fibers.n_switches;
    sim_trace(s, s->fibers.rng.s[0]);
    sim_fibers_fini(&s->fibers);
    sim_zk_fini(&s->zk);
    sim_ha_current = NULL;
}
