#include "cli/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "json/value.h"
#include "json/write.h"

enum { STATE_BYTES_MAX = 64 * 1024 };

enum err_code state_write(const struct home *home, const struct state *state, struct err *err)
{
	char path[HOME_PATH_MAX];
	struct buf buf;
	struct jsonw w;
	enum err_code code = home_path(path, home->dir, "state.json", err);

	if (code != ERR_OK) {
		return code;
	}
	buf_init(&buf, STATE_BYTES_MAX);
	jsonw_init(&w, &buf);
	jsonw_object(&w, NULL);
	jsonw_cstr(&w, "version", state->version);
	jsonw_cstr(&w, "url", state->url);
	jsonw_i64(&w, "pid", state->pid);
	jsonw_bool(&w, "ready", state->ready);
	jsonw_i64(&w, "startedUs", state->started_us);
	jsonw_i64(&w, "heartbeatUs", state->heartbeat_us);
	jsonw_array(&w, "services");
	for (size_t i = 0; i < state->count; i++) {
		const struct state_service *s = &state->services[i];

		jsonw_object(&w, NULL);
		jsonw_cstr(&w, "name", s->name);
		jsonw_i64(&w, "pid", s->pid);
		jsonw_u64(&w, "port", s->port);
		jsonw_u64(&w, "restarts", s->restarts);
		jsonw_i64(&w, "startedUs", s->started_us);
		jsonw_end_object(&w);
	}
	jsonw_end_array(&w);
	jsonw_end_object(&w);
	buf_add_char(&buf, '\n');
	code = home_write(path, 0644, NULL, buf.data, buf.len, err);
	buf_fini(&buf);
	return code;
}

static void decode(const struct json_value *json, struct state *state)
{
	const struct json_value *services = json_get(json, "services");

	(void)str_copy(state->version, sizeof(state->version),
	               json_as_str(json_get(json, "version")));
	(void)str_copy(state->url, sizeof(state->url), json_as_str(json_get(json, "url")));
	state->pid = (pid_t)json_as_i64(json_get(json, "pid"));
	state->ready = json_as_bool(json_get(json, "ready"));
	state->started_us = json_as_i64(json_get(json, "startedUs"));
	state->heartbeat_us = json_as_i64(json_get(json, "heartbeatUs"));
	for (size_t i = 0; i < json_count(services) && i < STATE_SERVICES_MAX; i++) {
		const struct json_value *row = json_at(services, i);
		struct state_service *s = &state->services[state->count++];

		(void)str_copy(s->name, sizeof(s->name), json_as_str(json_get(row, "name")));
		s->pid = (pid_t)json_as_i64(json_get(row, "pid"));
		s->port = (uint16_t)json_as_i64(json_get(row, "port"));
		s->restarts = (unsigned)json_as_i64(json_get(row, "restarts"));
		s->started_us = json_as_i64(json_get(row, "startedUs"));
	}
}

enum err_code state_read(const struct home *home, struct state *ret, struct err *err)
{
	char path[HOME_PATH_MAX], text[STATE_BYTES_MAX];
	struct json_value *json;
	ssize_t n;
	int fd;
	enum err_code code = home_path(path, home->dir, "state.json", err);

	if (code != ERR_OK) {
		return code;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return err_set(err, ERR_NOT_FOUND, "fairlead was never started in %s", home->dir);
	}
	n = read(fd, text, sizeof(text));
	(void)close(fd);
	json = json_parse(str_make(text, n > 0 ? (size_t)n : 0), err);
	if (json == NULL) {
		return err_wrap(err, "%s is damaged", path);
	}
	memset(ret, 0, sizeof(*ret));
	decode(json, ret);
	json_value_free(json);
	return ERR_OK;
}

bool state_is_live(const struct state *state)
{
	return state->pid > 0 && (kill(state->pid, 0) == 0 || errno == EPERM) &&
	       clock_wall_us() - state->heartbeat_us < (int64_t)STATE_FRESH_MS * 1000;
}

bool state_of_root(struct state *ret)
{
	struct home home;
	struct err err;

	return geteuid() != 0 && home_locate(NULL, &home, &err) == ERR_OK &&
	       state_read(&home, ret, &err) == ERR_NOT_FOUND &&
	       home_locate(HOME_OF_ROOT, &home, &err) == ERR_OK &&
	       state_read(&home, ret, &err) == ERR_OK && state_is_live(ret);
}
