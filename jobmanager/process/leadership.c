/* Leading and not leading; see leadership.h. */
#include "jobmanager/process/leadership.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include <stdio.h>
#include <unistd.h>

static const char topic[] = "flinc.process.leadership";

/* mailbox_op.kind; common/ha -> this component. */
enum leadership_op {
    LEADERSHIP_OP_GRANTED,
    LEADERSHIP_OP_REVOKED,
};

struct leadership {
    struct leadership_options o;
    struct component *component; /* Owns */
    bool leads;                  /* the component's thread */

    pthread_mutex_t lock; /* guards the following; a leaf */
    pthread_cond_t changed;
    bool tried; /* to lead, for the first time */
    int rc;
    struct error err;
};

static void note_try(struct leadership *l, int rc, const struct error *err)
{
    pthread_mutex_lock(&l->lock);
    if (!l->tried) {
        l->tried = true;
        l->rc = rc;
        error_copy(&l->err, err);
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
}

static void retire(struct leadership *l)
{
    if (l->leads) {
        (void)FAILPOINT(NULL, "leadership.before_retire");
        l->o.on_retire(l->o.owner);
        l->leads = false;
    }
    services_retire(l->o.services);
}

static void on_granted(void *target, const struct flinc_id *token)
{
    struct leadership *l = target;
    struct error err = ERROR_INIT;
    bool durable = ha_is_durable(l->o.services->ha);
    if (durable) {
        LOG_INFO(topic, "This job manager was granted leadership.");
    }
    int rc = FAILPOINT(&err, "leadership.before_lead");
    if (rc == 0) {
        rc = services_lead(l->o.services, token, &err);
    }
    if (rc == 0) {
        l->leads = true;
        rc = l->o.on_lead(l->o.owner, &err);
    }
    if (rc == 0) {
        rc = FAILPOINT(&err, "leadership.after_lead");
    }
    if (rc < 0) {
        retire(l);
        if (rc == ERR_FENCED) { /* the revocation is behind this */
            LOG_INFO(topic, "The leadership was lost before it began: %s", err.message);
        } else if (durable) {
            l->o.on_failure(l->o.owner, &err);
        }
    }
    note_try(l, rc, &err);
}

static void on_revoked(void *target, const struct error *why)
{
    struct leadership *l = target;
    char text[ERROR_MESSAGE_MAX];
    LOG_WARN(topic, "This job manager's leadership was revoked: %s. Its jobs are suspended here.",
             error_format(why, text, sizeof(text)));
    retire(l);
}

static int campaign(struct leadership *l, struct error *err)
{
    char host[256] = "";
    char name[300];
    (void)gethostname(host, sizeof(host) - 1);
    (void)snprintf(name, sizeof(name), "%s, process %d", host, (int)getpid());
    const struct ha_candidate candidate = {
        .mailbox = component_mailbox(l->component),
        .granted_kind = LEADERSHIP_OP_GRANTED,
        .revoked_kind = LEADERSHIP_OP_REVOKED,
        .on_granted = on_granted,
        .on_revoked = on_revoked,
        .target = l,
        .name = name,
    };
    return ha_campaign(l->o.services->ha, &candidate, err);
}

static int wait_for_first_try(struct leadership *l, struct error *err)
{
    pthread_mutex_lock(&l->lock);
    while (!l->tried) {
        pthread_cond_wait(&l->changed, &l->lock);
    }
    int rc = l->rc;
    if (rc < 0) {
        error_copy(err, &l->err);
    }
    pthread_mutex_unlock(&l->lock);
    return rc;
}

int leadership_start(const struct leadership_options *options, struct leadership **ret,
                     struct error *err)
{
    struct leadership *l = MEM_NEW(struct leadership);
    l->o = *options;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->component = component_new(&(struct component_options){.name = "leadership", .owner = l});
    int rc = component_start(l->component, err);
    if (rc == 0) {
        rc = campaign(l, err);
    }
    if (rc == 0 && !ha_is_durable(l->o.services->ha)) {
        rc = wait_for_first_try(l, err);
    } else if (rc == 0) {
        LOG_INFO(topic, "This job manager stands by until it is granted leadership.");
    }
    if (rc < 0) {
        leadership_stop(l);
        return rc;
    }
    *ret = l;
    return 0;
}

struct leadership *leadership_stop(struct leadership *l)
{
    if (l == NULL) {
        return NULL;
    }
    component_stop(l->component);
    retire(l);
    ha_resign(l->o.services->ha);
    component_free(l->component);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
    return NULL;
}
