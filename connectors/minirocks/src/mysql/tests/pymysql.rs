//! pymysql, a client that is not ours.
