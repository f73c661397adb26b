#include "login/open.h"

enum { MS_A_SECOND = 1000 };

struct login_options login_open(const struct conf *conf, struct pg *pg)
{
	return (struct login_options){
		.pg = pg,
		.secret = cred_pepper_from(str_of(conf->pepper)),
		.idle_s = conf->login_idle / MS_A_SECOND,
		.life_s = conf->login_life / MS_A_SECOND,
	};
}

struct hasher *hasher_open(const struct conf *conf, struct loop *loop)
{
	return hasher_new(loop, &(struct cred_cost){ .memory = conf->login_hash_memory,
	                                             .passes = conf->login_hash_passes });
}
