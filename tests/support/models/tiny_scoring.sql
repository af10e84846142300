select id, happened_at, happened_at as known_at, signal, noise, price, kind
from tiny
where happened_at >= :window_start and happened_at < :window_end and happened_at <= :as_of
