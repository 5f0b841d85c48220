/* What clients ask the coordinators of a job, and what these leave for who asks when it has finished; see coordinators.h and
 * jobmaster.h.
 *
 * A request is an operation of the mailbox that carries the asker's place for the answer; the coordinator answers when it
 * can, the asker waits no longer than it likes.  Flink: JobMaster.sendRequestToCoordinator. */
#include "jobmanager/jobmaster/coordinators.h"

#include "jobmanager/jobmaster/jobmaster_internal.h"
#include "proto/collect.pb-c.h"

/* Counted: by the asker, and by the operation in the mailbox or the coordinator that has the reply. */
struct coordination {
    struct coordinator_reply reply;
    struct jobmaster *jm; /* Borrows; while the operation is in its mailbox */
    _Atomic uint32_t refs;
    struct event_count done;
    char *operator_uid; /* Owns */
    struct str request; /* Owns */
    struct str answer;  /* Owns; written before `over` */
    struct error why;   /* likewise */
    int rc;             /* likewise */
    _Atomic bool over;
};

static void coordination_unref(struct coordination *q)
{
    if (atomic_fetch_sub(&q->refs, 1) == 1) {
        mem_free(q->operator_uid);
        str_fini(&q->request);
        str_fini(&q->answer);
        mem_free(q);
    }
}

static void coordination_end(struct coordination *q)
{
    atomic_store(&q->over, true);
    event_count_signal(&q->done);
    coordination_unref(q);
}

/* The mailbox is gone. */
static void drop_request(void *arg)
{
    struct coordination *q = arg;
    q->rc = error_set(&q->why, ERR_CLOSED, "the job has ended");
    coordination_end(q);
}

/* ---- the answer --------------------------------------------------------------------------------- */

static void append_answer(struct str *out, enum job_status status, const struct error *cause,
                          const uint8_t *data, size_t size)
{
    Flinc__CoordinationAnswer m = FLINC__COORDINATION_ANSWER__INIT;
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    m.job_status = (char *)job_status_name(status);
    m.job_ended = job_status_is_globally_terminal(status);
    if (cause != NULL) {
        m.failure = (char *)error_format(cause, text, sizeof(text));
    }
    m.answer = (ProtobufCBinaryData){size, (uint8_t *)data};
    size_t packed = flinc__coordination_answer__get_packed_size(&m);
    str_reserve(out, packed);
    flinc__coordination_answer__pack(&m, (uint8_t *)out->data + out->len);
    out->len += packed;
}

static void on_answer(struct coordinator_reply *reply, int rc, const uint8_t *data, size_t size,
                      const struct error *why)
{
    struct coordination *q = CONTAINER_OF(reply, struct coordination, reply);
    q->rc = rc;
    if (rc < 0) {
        error_copy(&q->why, why);
    } else {
        append_answer(&q->answer, q->jm->status, NULL, data, size);
    }
    coordination_end(q);
}

/* ---- asking --------------------------------------------------------------------------------------- */

static bool is_operator(const Flinc__Operator *spec, const char *uid_or_hex)
{
    struct flinc_id id;
    if (spec->uid[0] != '\0' && strcmp(spec->uid, uid_or_hex) == 0) {
        return true;
    }
    return strlen(uid_or_hex) == ID_HEX_LEN && id_parse(uid_or_hex, &id) &&
           spec->id.len == sizeof(id.bytes) &&
           memcmp(spec->id.data, id.bytes, sizeof(id.bytes)) == 0;
}

static struct coordinator_holder *find_asked(struct jobmaster *jm, const char *operator_uid)
{
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[i];
        if (is_operator(h->context.spec, operator_uid)) {
            return h;
        }
    }
    return NULL;
}

static int hand_over(struct jobmaster *jm, struct coordination *q, struct error *err)
{
    TRY(FAILPOINT(err, "jobmaster.coordinator.before_request"));
    struct coordinator_holder *h = find_asked(jm, q->operator_uid);
    if (h == NULL) {
        return error_set(err, ERR_NOT_FOUND, "job %s has no operator '%s' that can be asked",
                         jm->job_hex, q->operator_uid);
    }
    if (h->desc->on_request == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "operator '%s' takes no requests of clients",
                         h->context.spec->name);
    }
    if (h->state == COORDINATOR_CLOSED) {
        return error_set(err, ERR_CLOSED, "job %s has ended", jm->job_hex);
    }
    if (h->state != COORDINATOR_STARTED || !h->healthy) { /* it comes; the client asks again */
        on_answer(&q->reply, 0, NULL, 0, NULL);
        return 0;
    }
    h->desc->on_request(h->coordinator, (const uint8_t *)q->request.data, q->request.len,
                        &q->reply);
    return 0;
}

static void run_request(void *target, void *payload)
{
    struct coordination *q = payload;
    struct error why = ERROR_INIT;
    int rc = hand_over(target, q, &why);
    if (rc < 0) {
        q->rc = rc;
        error_copy(&q->why, &why);
        coordination_end(q);
    }
}

static bool wait_for(struct coordination *q, int64_t timeout_ms)
{
    int64_t deadline_ns = clock_monotonic_ns(&clock_system) + timeout_ms * 1000000;
    for (;;) {
        uint32_t ticket = event_count_prepare(&q->done);
        int64_t left_ns = deadline_ns - clock_monotonic_ns(&clock_system);
        if (atomic_load(&q->over) || left_ns <= 0) {
            event_count_cancel(&q->done);
            return atomic_load(&q->over);
        }
        (void)event_count_wait(&q->done, ticket, left_ns);
    }
}

int jobmaster_ask_coordinator(struct jobmaster *jm, const char *operator_uid, struct slice request,
                              int64_t timeout_ms, struct str *ret_answer, struct error *err)
{
    struct coordination *q = MEM_NEW(struct coordination);
    q->reply.answer = on_answer;
    q->jm = jm;
    q->operator_uid = mem_strdup(operator_uid);
    str_append_slice(&q->request, request);
    atomic_init(&q->refs, 2);
    struct mailbox_op op = {.kind = JOBMASTER_OP_COORDINATION,
                            .run = run_request,
                            .target = jm,
                            .payload = q,
                            .drop = drop_request};
    int rc = mailbox_post(component_mailbox(jm->component), MAILBOX_LANE_CONTROL, &op);
    if (rc < 0) {
        atomic_store(&q->refs, 1);
        coordination_unref(q);
        return error_set(err, rc, "job %s %s", jm->job_hex,
                         rc == ERR_LIMIT ? "has too much to do" : "has ended");
    }
    if (!wait_for(q, timeout_ms)) {
        rc = error_set(err, ERR_TIMEOUT, "operator '%s' of job %s did not answer within %lld ms",
                       operator_uid, jm->job_hex, (long long)timeout_ms);
    } else if (q->rc < 0) {
        rc = q->rc;
        if (err != NULL) {
            error_copy(err, &q->why);
        }
    } else {
        str_append_slice(ret_answer, str_slice(&q->answer));
    }
    coordination_unref(q);
    return rc;
}

/* ---- what is left of a job that has finished ------------------------------------------------------ */

void coordinators_take_results(struct jobmaster *jm)
{
    for (uint32_t i = 0; i < jm->coordinators.n_holders; i++) {
        struct coordinator_holder *h = &jm->coordinators.holders[i];
        STR_AUTO answer = STR_INIT;
        if (h->coordinator == NULL || h->desc->result == NULL) {
            continue;
        }
        h->desc->result(h->coordinator, &answer);
        struct coordinator_result *r =
            VEC_PUSH(&jm->coordinators.results, struct coordinator_result);
        r->operator_uid = mem_strdup(h->context.spec->uid);
        memcpy(r->operator_id.bytes, h->context.spec->id.data,
               MIN(h->context.spec->id.len, sizeof(r->operator_id.bytes)));
        r->size = (uint32_t)answer.len;
        r->data = (uint8_t *)str_take(&answer);
    }
    details_outdate(jm);
}

void coordinator_results_fini(struct vec *results)
{
    for (size_t i = 0; i < results->len; i++) {
        struct coordinator_result *r = VEC_AT(results, struct coordinator_result, i);
        mem_free(r->operator_uid);
        mem_free(r->data);
    }
    vec_fini(results);
}

int job_details_answer(const struct job_details *d, const char *operator_uid,
                       struct str *ret_answer, struct error *err)
{
    struct flinc_id id = {{0}};
    bool is_hex = strlen(operator_uid) == ID_HEX_LEN && id_parse(operator_uid, &id);
    const struct coordinator_result *found = NULL;
    for (uint32_t i = 0; i < d->n_results; i++) {
        const struct coordinator_result *r = &d->results[i];
        if (strcmp(r->operator_uid, operator_uid) == 0 || (is_hex && id_eq(&r->operator_id, &id))) {
            found = r;
        }
    }
    if (found == NULL && d->status == JOB_STATUS_FINISHED) {
        return error_set(err, ERR_NOT_FOUND, "the job has left nothing of an operator '%s'",
                         operator_uid);
    }
    append_answer(ret_answer, d->status, d->cause, found != NULL ? found->data : NULL,
                  found != NULL ? found->size : 0);
    return 0;
}
