# man
dist_man_MANS += %D%/pabal.conf.5
