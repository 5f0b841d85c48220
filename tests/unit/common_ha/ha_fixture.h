/* A configuration in a folder of the test, and a candidate that remembers what it was told. */
#ifndef FLINC_TESTS_HA_FIXTURE_H
#define FLINC_TESTS_HA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include "common/ha/ha.h"
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 30000 };

struct ha_fixture {
    char dir[64];
    struct conf conf;
};

static inline void fixture_init(struct ha_fixture *f, const char *type, const char *timeout)
{
    struct error err = ERROR_INIT;
    snprintf(f->dir, sizeof(f->dir), "/tmp/flinc-ha-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    conf_init(&f->conf, NULL);
    assert_int_equal(conf_set(&f->conf, "high-availability.type", type, &err), 0);
    assert_int_equal(conf_set(&f->conf, "high-availability.storageDir", f->dir, &err), 0);
    assert_int_equal(conf_set(&f->conf, "high-availability.cluster-id", "/test", &err), 0);
    assert_int_equal(conf_set(&f->conf, "high-availability.file.session-timeout", timeout, &err),
                     0);
}

static inline void fixture_fini(struct ha_fixture *f)
{
    struct error err = ERROR_INIT;
    conf_fini(&f->conf);
    assert_int_equal(fs_delete(f->dir, FS_DELETE_RECURSIVE, &err), 0);
}

/* A candidate whose mailbox the test polls. */
struct contender {
    struct ha *ha;
    struct mailbox *mailbox;
    int n_granted, n_revoked;
    struct flinc_id token;
};

static inline void contender_granted(void *target, const struct flinc_id *token)
{
    struct contender *c = target;
    assert_int_equal(c->n_granted, c->n_revoked);
    assert_false(id_eq(&c->token, token));
    c->n_granted++;
    c->token = *token;
}

static inline void contender_revoked(void *target, const struct error *why)
{
    struct contender *c = target;
    assert_int_not_equal(why->code, 0);
    c->n_revoked++;
    assert_int_equal(c->n_granted, c->n_revoked);
}

static inline void contender_open(struct contender *c, const struct conf *conf,
                                  const struct ha_watcher *watcher)
{
    struct error err = ERROR_INIT;
    *c = (struct contender){.ha = NULL};
    c->mailbox = mailbox_new(&(struct mailbox_options){.name = "contender"});
    assert_int_equal(ha_open(conf, watcher, &c->ha, &err), 0);
}

static inline void contender_campaign(struct contender *c)
{
    struct error err = ERROR_INIT;
    const struct ha_candidate candidate = {.mailbox = c->mailbox,
                                           .on_granted = contender_granted,
                                           .on_revoked = contender_revoked,
                                           .target = c,
                                           .name = "contender"};
    assert_int_equal(ha_campaign(c->ha, &candidate, &err), 0);
}

static inline void contender_close(struct contender *c)
{
    c->ha = ha_close(c->ha);
    mailbox_close(c->mailbox);
    c->mailbox = mailbox_unref(c->mailbox);
}

/* Waits for one more event; false: the time is over. */
static inline bool contender_wait(struct contender *c, int64_t timeout_ms)
{
    int64_t until = clock_monotonic_ms(&clock_system) + timeout_ms;
    for (;;) {
        uint32_t ticket = event_count_prepare(mailbox_event(c->mailbox));
        if (mailbox_run(c->mailbox, 1) > 0) {
            event_count_cancel(mailbox_event(c->mailbox));
            return true;
        }
        int64_t left = until - clock_monotonic_ms(&clock_system);
        if (left <= 0) {
            event_count_cancel(mailbox_event(c->mailbox));
            return false;
        }
        (void)event_count_wait(mailbox_event(c->mailbox), ticket, left * 1000000);
    }
}

static inline void contender_lead(struct contender *c)
{
    contender_campaign(c);
    assert_true(contender_wait(c, PATIENCE_MS));
    assert_int_equal(c->n_granted, c->n_revoked + 1);
}

#endif
