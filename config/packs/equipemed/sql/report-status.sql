-- Who is due now: what a run of each job would process, and what stands out.
select json_build_object(
  'generated_at', rollcall_equipemed.iso(:now, :time_zone),
  'due_now', json_build_object(
    'check_expiration', (
      select count(*)
      from accounts_eqmdcustomuser u
      where u.is_active and u.access_expires_at is not null
        and rollcall_equipemed.in_role(u.profession_type, :role)
        and rollcall_equipemed.next_status(
          u.account_status, rollcall_equipemed.days_left(u.access_expires_at, :today, :time_zone),
          :expiring_soon_days, :status_rule) <> u.account_status
    ),
    'warn_expiration', (
      select count(*)
      from accounts_eqmdcustomuser u
      cross join lateral rollcall_equipemed.warning_due(
        u.access_expires_at, :today, :time_zone, :warning_days) d
      where u.is_active and u.account_status in ('active', 'expiring_soon')
        and u.access_expires_at >= rollcall_equipemed.day_start(:today, 0, :time_zone)
        and u.access_expires_at < rollcall_equipemed.day_start(
          :today, rollcall_equipemed.largest(:warning_days) + 1, :time_zone)
        and rollcall_equipemed.warning_wanted(
          :dedupe, d.days, d.threshold, u.expiration_warning_sent, :now)
        and not exists (
          select from rollcall_equipemed.warning w
          where w.user_id = u.id and w.expires_on = d.expires_on and w.threshold = d.threshold
            and w.sent_at is not null
        )
    ),
    'mark_inactive', (
      select count(*)
      from accounts_eqmdcustomuser u
      where rollcall_equipemed.to_mark_inactive(
        u.is_active, u.account_status, u.last_meaningful_activity, u.date_joined, u.profession_type,
        :now, :inactivity_days, :never_inactivate)
    ),
    'auto_suspend', (
      select count(*)
      from accounts_eqmdcustomuser u
      where rollcall_equipemed.to_suspend(
        u.is_active, u.account_status, u.last_meaningful_activity, u.date_joined, u.is_staff,
        u.profession_type, :now, :suspension_days, :inactivity_days, :never_inactivate)
    )),
  'attention', json_build_object(
    'users_without_usable_address', (
      select count(*)
      from accounts_eqmdcustomuser u
      where u.is_active and u.account_status in ('active', 'expiring_soon')
        and rollcall_equipemed.address_problem(u.email) is not null
    ),
    'renewal_requests_pending', (
      select count(*) from core_accountrenewalrequest where status = 'pending'
    ),
    'emergency_access_now', (
      select count(*) from rollcall_equipemed.emergency_access where until > :now
    ))) as document
