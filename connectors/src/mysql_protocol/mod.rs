//! What MySQL and StarRocks share: the URL's grammar, TLS, connections, and what their errors mean.
