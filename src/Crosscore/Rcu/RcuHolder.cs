namespace Crosscore.Rcu;

/// <summary>A reader that the grace period now running has to wait for.</summary>
/// <param name="Thread">The thread that is inside; null for a section that may cross an await.</param>
/// <param name="EnteredBy">For a section that may cross an await: the member that entered it, with file and line.
/// Otherwise null.</param>
/// <param name="Age"> How long it has been inside, for a section that may cross an await. A thread does not look at the
/// clock when it enters; for it this is how long the grace period has waited, so it has been inside for at least as
/// long.
/// </param>
public sealed record RcuHolder(Thread? Thread, string? EnteredBy, TimeSpan Age)
{
    /// <inheritdoc/>
    public override string ToString() =>
        Thread is { } thread
            ? $"thread {thread.ManagedThreadId}{(thread.Name is { } name ? $" ({name})" : "")}, "
                + $"inside for at least {Age.TotalMilliseconds:N0} ms"
            : $"a section entered by {EnteredBy}, inside for {Age.TotalMilliseconds:N0} ms";
}
