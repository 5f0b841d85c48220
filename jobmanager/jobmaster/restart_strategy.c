/* The four restart strategies; see restart_strategy.h. */
#include "jobmanager/jobmaster/restart_strategy.h"

#include "common/base/mem.h"
#include <math.h>

static const char *const kind_names[] = {
    [RESTART_STRATEGY_NONE] = "none",
    [RESTART_STRATEGY_FIXED_DELAY] = "fixed-delay",
    [RESTART_STRATEGY_FAILURE_RATE] = "failure-rate",
    [RESTART_STRATEGY_EXPONENTIAL_DELAY] = "exponential-delay",
};
_Static_assert(ARRAY_LEN(kind_names) == RESTART_STRATEGY_COUNT, "one name per kind");

const char *restart_strategy_name(enum restart_strategy_kind kind)
{
    return (unsigned)kind < RESTART_STRATEGY_COUNT ? kind_names[kind] : "unknown";
}

/* What may stand under restart-strategy.type. */
static const struct {
    const char *text;
    enum restart_strategy_kind kind;
} kind_texts[] = {
    {"none", RESTART_STRATEGY_NONE},
    {"off", RESTART_STRATEGY_NONE},
    {"disable", RESTART_STRATEGY_NONE},
    {"fixed-delay", RESTART_STRATEGY_FIXED_DELAY},
    {"fixeddelay", RESTART_STRATEGY_FIXED_DELAY},
    {"failure-rate", RESTART_STRATEGY_FAILURE_RATE},
    {"failurerate", RESTART_STRATEGY_FAILURE_RATE},
    {"exponential-delay", RESTART_STRATEGY_EXPONENTIAL_DELAY},
    {"exponentialdelay", RESTART_STRATEGY_EXPONENTIAL_DELAY},
};

enum { RESTART_FAILURES_REMEMBERED_MAX = 1000000 }; /* failure-rate: 8 MB of times */

static int read_kind(const struct conf *conf, enum restart_strategy_kind *ret, struct error *err)
{
    const char *text = conf_string(conf, "restart-strategy.type");
    if (text == NULL) {
        bool checkpoints = conf_has(conf, "execution.checkpointing.interval") &&
                           conf_duration_ms(conf, "execution.checkpointing.interval") > 0;
        *ret = checkpoints ? RESTART_STRATEGY_EXPONENTIAL_DELAY : RESTART_STRATEGY_NONE;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(kind_texts); i++) {
        if (strcasecmp(kind_texts[i].text, text) == 0) {
            *ret = kind_texts[i].kind;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID_CONFIG, "restart-strategy.type: '%s' is no strategy", text);
}

static int init_exponential(struct restart_strategy *s, const struct conf *conf, struct error *err)
{
    s->initial_ms = conf_duration_ms(conf, "restart-strategy.exponential-delay.initial-backoff");
    s->max_ms = conf_duration_ms(conf, "restart-strategy.exponential-delay.max-backoff");
    s->reset_ms =
        conf_duration_ms(conf, "restart-strategy.exponential-delay.reset-backoff-threshold");
    s->multiplier = conf_double(conf, "restart-strategy.exponential-delay.backoff-multiplier");
    s->jitter = conf_double(conf, "restart-strategy.exponential-delay.jitter-factor");
    s->max_attempts = (uint32_t)conf_int(
        conf, "restart-strategy.exponential-delay.attempts-before-reset-backoff");
    if (s->initial_ms > s->max_ms) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "restart-strategy.exponential-delay.initial-backoff (%lld ms) is longer "
                         "than restart-strategy.exponential-delay.max-backoff (%lld ms)",
                         (long long)s->initial_ms, (long long)s->max_ms);
    }
    return 0;
}

int restart_strategy_init(struct restart_strategy *s, const struct conf *conf, struct error *err)
{
    *s = (struct restart_strategy){0};
    TRY(read_kind(conf, &s->kind, err));
    switch (s->kind) {
    case RESTART_STRATEGY_FIXED_DELAY:
        s->max_attempts = (uint32_t)conf_int(conf, "restart-strategy.fixed-delay.attempts");
        s->delay_ms = conf_duration_ms(conf, "restart-strategy.fixed-delay.delay");
        return 0;
    case RESTART_STRATEGY_FAILURE_RATE:
        s->max_attempts =
            (uint32_t)conf_int(conf, "restart-strategy.failure-rate.max-failures-per-interval");
        s->max_attempts = MIN(s->max_attempts, (uint32_t)RESTART_FAILURES_REMEMBERED_MAX);
        s->interval_ms =
            conf_duration_ms(conf, "restart-strategy.failure-rate.failure-rate-interval");
        s->delay_ms = conf_duration_ms(conf, "restart-strategy.failure-rate.delay");
        s->failures_ms = MEM_NEW_ARRAY(int64_t, (size_t)s->max_attempts + 1);
        return 0;
    case RESTART_STRATEGY_EXPONENTIAL_DELAY:
        return init_exponential(s, conf, err);
    default:
        return 0;
    }
}

void restart_strategy_fini(struct restart_strategy *s)
{
    mem_free(s->failures_ms);
    s->failures_ms = NULL;
}

/* ---- failure-rate ----------------------------------------------------------------------------- */

static void remember_failure(struct restart_strategy *s, int64_t now_ms)
{
    uint32_t room = s->max_attempts + 1;
    s->failures_ms[(s->first_failure + s->n_failures) % room] = now_ms;
    if (s->n_failures < room) {
        s->n_failures++;
    } else {
        s->first_failure = (s->first_failure + 1) % room;
    }
}

/* ---- exponential-delay ------------------------------------------------------------------------ */

/* A part of the time, up to `jitter` of it, more or less at random; never below the initial time nor
 * above the longest. */
static int64_t exponential_delay(const struct restart_strategy *s, struct rng *rng)
{
    double exact = (double)s->initial_ms * pow(s->multiplier, (double)s->attempts);
    int64_t delay = exact < (double)s->max_ms ? (int64_t)exact : s->max_ms;
    int64_t spread = (int64_t)((double)delay * s->jitter);
    if (spread > 0) {
        delay += (int64_t)rng_below(rng, (uint64_t)(2 * spread + 1)) - spread;
    }
    delay = MIN(delay, s->max_ms);
    return MAX(delay, s->initial_ms);
}

static void exponential_on_failure(struct restart_strategy *s, int64_t now_ms, struct rng *rng)
{
    if (s->failed_before && now_ms <= s->next_restart_ms) {
        return; /* part of the attempt that is under way */
    }
    if (s->failed_before && now_ms - s->next_restart_ms >= s->reset_ms) {
        s->attempts = 0;
    }
    s->next_restart_ms = now_ms + exponential_delay(s, rng);
    s->failed_before = true;
    s->attempts++;
}

/* ---- all -------------------------------------------------------------------------------------- */

void restart_strategy_on_failure(struct restart_strategy *s, int64_t now_ms, struct rng *rng)
{
    s->now_ms = now_ms;
    switch (s->kind) {
    case RESTART_STRATEGY_FIXED_DELAY:
        s->attempts += s->attempts < UINT32_MAX;
        break;
    case RESTART_STRATEGY_FAILURE_RATE:
        remember_failure(s, now_ms);
        break;
    case RESTART_STRATEGY_EXPONENTIAL_DELAY:
        exponential_on_failure(s, now_ms, rng);
        break;
    default:
        break;
    }
}

bool restart_strategy_may_restart(const struct restart_strategy *s)
{
    switch (s->kind) {
    case RESTART_STRATEGY_FIXED_DELAY:
    case RESTART_STRATEGY_EXPONENTIAL_DELAY:
        return s->attempts <= s->max_attempts;
    case RESTART_STRATEGY_FAILURE_RATE:
        return s->n_failures <= s->max_attempts ||
               s->now_ms - s->failures_ms[s->first_failure] > s->interval_ms;
    default:
        return false;
    }
}

int64_t restart_strategy_delay_ms(const struct restart_strategy *s)
{
    if (s->kind == RESTART_STRATEGY_EXPONENTIAL_DELAY) {
        return MAX((int64_t)0, s->next_restart_ms - s->now_ms);
    }
    return s->delay_ms;
}

/* ---- showing ---------------------------------------------------------------------------------- */

void restart_strategy_describe(const struct restart_strategy *s, struct str *out)
{
    switch (s->kind) {
    case RESTART_STRATEGY_FIXED_DELAY:
        str_printf(out, "Restart with fixed delay (%lld ms). #%u restart attempts.",
                   (long long)s->delay_ms, s->max_attempts);
        break;
    case RESTART_STRATEGY_FAILURE_RATE:
        str_printf(out,
                   "Failure rate restart with maximum of %u failures within interval %lld ms and "
                   "fixed delay %lld ms.",
                   s->max_attempts, (long long)s->interval_ms, (long long)s->delay_ms);
        break;
    case RESTART_STRATEGY_EXPONENTIAL_DELAY:
        str_printf(out,
                   "Restart with exponential delay: starting at %lld ms, increasing by %g, with "
                   "maximum %lld ms. Delay resets after %lld ms with jitter %g.",
                   (long long)s->initial_ms, s->multiplier, (long long)s->max_ms,
                   (long long)s->reset_ms, s->jitter);
        break;
    default:
        str_append_cstr(out, "Restart deactivated.");
        break;
    }
}
