/* No high availability: this process leads at once and for ever, and what it keeps is in its memory.
 * Flink: StandaloneHaServices, EmbeddedHaServices. */
#include "common/ha/driver.h"
#include "common/ha/entries.h"
#include <pthread.h>

struct none {
    struct ha *ha; /* Borrows */
    pthread_mutex_t lock;
    struct map entries; /* Owns: name -> struct str * */
    struct flinc_id token;
    bool leads;
};

static int none_open(const struct conf *conf, struct ha *ha, void **ret_self, struct error *err)
{
    struct none *n = MEM_NEW(struct none);
    (void)conf;
    (void)err;
    n->ha = ha;
    pthread_mutex_init(&n->lock, NULL);
    entries_init(&n->entries);
    *ret_self = n;
    return 0;
}

static void none_close(void *self)
{
    struct none *n = self;
    map_fini(&n->entries);
    pthread_mutex_destroy(&n->lock);
    mem_free(n);
}

static int none_campaign(void *self, const char *candidate_name, struct error *err)
{
    struct none *n = self;
    struct rng rng;
    (void)candidate_name;
    (void)err;
    rng_init_system(&rng);
    pthread_mutex_lock(&n->lock);
    id_random(&n->token, &rng);
    n->leads = true;
    struct flinc_id token = n->token;
    pthread_mutex_unlock(&n->lock);
    ha_on_granted(n->ha, &token);
    return 0;
}

static void none_resign(void *self)
{
    struct none *n = self;
    pthread_mutex_lock(&n->lock);
    n->leads = false;
    pthread_mutex_unlock(&n->lock);
    ha_on_leader(n->ha, NULL);
}

static int none_announce(void *self, const struct ha_leader *leader, struct error *err)
{
    struct none *n = self;
    (void)err;
    ha_on_leader(n->ha, leader);
    return 0;
}

/* Under the lock. */
static int check_token(const struct none *n, const struct flinc_id *token, struct error *err)
{
    return n->leads && id_eq(&n->token, token)
               ? 0
               : error_set(err, ERR_FENCED, "the leadership is over");
}

static int none_write(void *self, const struct flinc_id *token, enum ha_write what,
                      const char *name, struct slice value, struct error *err)
{
    struct none *n = self;
    pthread_mutex_lock(&n->lock);
    int rc = check_token(n, token, err);
    if (rc == 0) {
        rc = entries_check(&n->entries, what, name, err);
    }
    if (rc == 0) {
        entries_apply(&n->entries, what, name, value);
    }
    pthread_mutex_unlock(&n->lock);
    return rc;
}

static int none_get(void *self, const struct flinc_id *token, const char *name,
                    struct str *ret_value, struct error *err)
{
    struct none *n = self;
    pthread_mutex_lock(&n->lock);
    int rc = check_token(n, token, err);
    if (rc == 0) {
        rc = entries_get(&n->entries, name, ret_value, err);
    }
    pthread_mutex_unlock(&n->lock);
    return rc;
}

static int none_list(void *self, const struct flinc_id *token, const char *name,
                     struct vec *ret_names, struct error *err)
{
    struct none *n = self;
    pthread_mutex_lock(&n->lock);
    int rc = check_token(n, token, err);
    if (rc == 0) {
        entries_list(&n->entries, name, ret_names);
    }
    pthread_mutex_unlock(&n->lock);
    return rc;
}

static void none_describe(const void *self, struct str *ret)
{
    (void)self;
    str_append_cstr(ret, "this process (high-availability.type: NONE)");
}

const struct ha_driver ha_none_driver = {
    .name = "none",
    .open = none_open,
    .close = none_close,
    .campaign = none_campaign,
    .resign = none_resign,
    .announce = none_announce,
    .write = none_write,
    .get = none_get,
    .list = none_list,
    .describe = none_describe,
};
