#include "login/hasher.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "loop/offload.h"

struct hasher {
	struct offload *offload;
	struct cred_cost cost;
	size_t waiting;
	char dummy[CRED_STORED_SIZE]; /* of nobody; "" until it was needed */
};

struct job {
	struct cred_cost cost;
	struct str password;
	char stored[CRED_STORED_SIZE];
	bool ok;
};

struct hasher *hasher_new(struct loop *loop, const struct cred_cost *cost)
{
	struct hasher *hasher = mem_calloc(1, sizeof(*hasher));

	hasher->offload = offload_new(loop, HASHER_THREADS);
	hasher->cost = *cost;
	return hasher;
}

void hasher_free(struct hasher *hasher)
{
	if (hasher != NULL) {
		offload_free(hasher->offload);
		free(hasher);
	}
}

static void hash(void *arg)
{
	struct job *job = arg;

	job->ok = cred_password_hash(job->password, &job->cost, job->stored);
}

static void check(void *arg)
{
	struct job *job = arg;

	job->ok = cred_password_ok(job->stored, job->password);
}

static enum err_code run(struct hasher *hasher, void (*fn)(void *arg), struct job *job,
                         struct err *err)
{
	if (hasher->waiting >= HASHER_WAITING_MAX) {
		return err_set(err, ERR_UNAVAILABLE, "too many passwords wait to be checked");
	}
	hasher->waiting++;
	offload_call(hasher->offload, fn, job);
	hasher->waiting--;
	return ERR_OK;
}

enum err_code hasher_hash(struct hasher *hasher, struct str password, char ret[CRED_STORED_SIZE],
                          struct err *err)
{
	struct job job = { .cost = hasher->cost, .password = password };
	enum err_code code = run(hasher, hash, &job, err);

	if (code == ERR_OK && !job.ok) {
		code = err_set(err, ERR_UNAVAILABLE, "no memory for hashing a password");
	}
	if (code == ERR_OK) {
		memcpy(ret, job.stored, sizeof(job.stored));
	}
	return code;
}

/* Before the first check of whatever account: it takes longer, and tells nothing. */
static enum err_code make_dummy(struct hasher *hasher, struct err *err)
{
	char made[CRED_STORED_SIZE];
	enum err_code code;

	if (hasher->dummy[0] != '\0') {
		return ERR_OK;
	}
	code = hasher_hash(hasher, STR_LIT("nobody's password"), made, err);
	if (code == ERR_OK) {
		memcpy(hasher->dummy, made, sizeof(made));
	}
	return code;
}

enum err_code hasher_check(struct hasher *hasher, const char *stored, struct str password,
                           bool *ret_ok, struct err *err)
{
	struct job job = { .password = password };
	enum err_code code = make_dummy(hasher, err);

	if (code != ERR_OK) {
		return code;
	}
	if (!str_copy(job.stored, sizeof(job.stored),
	              str_of(stored != NULL ? stored : hasher->dummy))) {
		return err_set(err, ERR_INTERNAL, "a stored password does not decode");
	}
	code = run(hasher, check, &job, err);
	if (code == ERR_OK) {
		*ret_ok = job.ok && stored != NULL;
	}
	return code;
}

bool hasher_is_stale(const struct hasher *hasher, const char *stored)
{
	return cred_password_stale(stored, &hasher->cost);
}
