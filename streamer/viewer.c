#include "streamer/viewer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "session/session_store.h"

struct viewers {
	struct map *by_key;
};

struct viewers *viewers_new(void)
{
	struct viewers *viewers = mem_calloc(1, sizeof(*viewers));

	viewers->by_key = map_new();
	return viewers;
}

void viewers_free(struct viewers *viewers)
{
	assert(map_count(viewers->by_key) == 0);
	map_free(viewers->by_key);
	free(viewers);
}

static struct str key_of(const struct principal *principal)
{
	return str_make(principal->key.s, ID_LEN);
}

struct viewer *viewer_hold(struct viewers *viewers, const struct principal *principal)
{
	struct viewer *viewer = map_get(viewers->by_key, key_of(principal));

	if (viewer == NULL) {
		viewer = mem_calloc(1, sizeof(*viewer));
		viewer->viewers = viewers;
		(void)map_put(viewers->by_key, key_of(principal), viewer);
	}
	viewer->principal = *principal; /* as it was looked up last */
	viewer->streams++;
	return viewer;
}

void viewer_release(struct viewer *viewer)
{
	if (--viewer->streams == 0) {
		(void)map_remove(viewer->viewers->by_key, key_of(&viewer->principal));
		free(viewer);
	}
}

enum err_code viewer_may_see(const struct principal *principal, struct pg *pg, const struct id *sid,
                             struct arena *arena, struct err *err)
{
	struct session *session;
	enum err_code code;

	if (principal->any_namespace) {
		return ERR_OK;
	}
	session = arena_take(arena, sizeof(*session));
	code = session_get(pg, principal->tenant, sid, arena, session, err);
	if (code == ERR_OK && !auth_allows_namespace(principal, session->namespace)) {
		return err_set(err, ERR_NOT_FOUND, "no such session");
	}
	return code;
}
