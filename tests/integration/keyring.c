#include "tests/integration/keyring.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "auth/auth_key_store.h"
#include "base/clock.h"

enum { SETTING_MAX = 256 };

/* ---- the API node ---- */

static void become_api(const struct world *world)
{
	static char own[6][SETTING_MAX];
	char *env[] = { own[0], own[1], own[2], own[3], own[4], own[5], NULL };
	char *argv[] = { (char[]){ "fairlead-api" }, NULL };

	(void)snprintf(own[0], SETTING_MAX, "FAIRLEAD_REDIS_URL=%s", world->server.url);
	(void)snprintf(own[1], SETTING_MAX, "FAIRLEAD_PG_URL=%s", getenv("TEST_PG_URL"));
	(void)snprintf(own[2], SETTING_MAX, "FAIRLEAD_PEPPER=%s", WORLD_PEPPER);
	(void)snprintf(own[3], SETTING_MAX, "FAIRLEAD_API_LISTEN=unix:%s",
	               world->streamers[KEYRING_API].path);
	(void)snprintf(own[4], SETTING_MAX, "FAIRLEAD_UNSAFE_STORAGE=true");
	(void)snprintf(own[5], SETTING_MAX, "FAIRLEAD_LIMIT_TICKETS_KEY=20");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execve(API_PROGRAM, argv, env);
	_exit(127);
}

void keyring_start_api(struct world *world)
{
	struct streamer *api = &world->streamers[KEYRING_API];

	(void)snprintf(api->path, sizeof(api->path), "%s/api", world->server.dir);
	api->pid = fork();
	assert_true(api->pid >= 0);
	if (api->pid == 0) {
		become_api(world);
	}
	world_await_ready(world, KEYRING_API);
}

/* ---- keys ---- */

struct key_made keyring_make(struct world *world, unsigned scopes, const char *owner,
                             int64_t life_us)
{
	struct auth_key_new key = { .tenant = TENANT,
		                    .name = "a key of the test",
		                    .scopes = scopes,
		                    .owner = owner,
		                    .expires_us = life_us != 0 ? clock_wall_us() + life_us : 0 };
	struct cred_pepper pepper = cred_pepper_from(str_of(WORLD_PEPPER));
	struct key_made made;
	struct err err;

	if (auth_key_create(world->pg, &key, &pepper, made.text, &made.id, &err) != ERR_OK) {
		fail_msg("%s", err.msg);
	}
	return made;
}

void keyring_take_back(struct world *world, const struct key_made *key)
{
	bool revoked = false;
	struct err err;

	assert_int_equal(auth_key_revoke(world->pg, TENANT, &key->id, &revoked, &err), ERR_OK);
	assert_true(revoked);
}

void keyring_restrict(struct world *world, const struct key_made *key, unsigned scopes)
{
	bool changed = false;
	struct err err;

	assert_int_equal(auth_key_limit(world->pg, TENANT, &key->id, scopes, &changed, &err),
	                 ERR_OK);
	assert_true(changed);
}

/* ---- HTTP ---- */

/* Follow a session with these header lines. */
struct tap *keyring_follow(struct world *world, const struct id *sid, const char *query,
                           const char *headers)
{
	return tap_open(world, KEYRING_STREAMER,
	                "GET /api/v1/sessions/%s/events%s HTTP/1.1\r\nHost: h\r\n"
	                "Accept: text/event-stream\r\n%s\r\n",
	                sid->s, query, headers);
}

struct tap *keyring_follow_by(struct world *world, const struct id *sid, const char *key,
                              const char *query)
{
	char header[CRED_KEY_MAX + 64];

	(void)snprintf(header, sizeof(header), "X-API-Key: %s\r\n", key);
	return keyring_follow(world, sid, query, header);
}

/* What a request to follow is answered with. */
void keyring_expect(struct world *world, const struct id *sid, const char *query,
                    const char *headers, int status)
{
	struct tap *it = keyring_follow(world, sid, query, headers);

	if (it->status != status) {
		fail_msg("%d, not %d: %s%s\n%s", it->status, status, query, headers,
		         buf_cstr(&it->in));
	}
	tap_close(it);
}

/* ---- sockets ---- */

int keyring_shake(struct world *world, const char *target, const char *query, const char *headers,
                  char head[TAP_HEAD_MAX])
{
	struct tap *it = tap_open(world, KEYRING_STREAMER,
	                          "GET %s%s HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n"
	                          "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
	                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n",
	                          target, query, headers);
	int status = it->status;

	memcpy(head, it->head, TAP_HEAD_MAX);
	tap_close(it);
	return status;
}
