namespace Crosscore.Rcu;

/// <summary>A reader that the running grace period waits for.</summary>
/// <param name="Thread">The thread that is inside; null for a section that may cross an await.</param>
/// <param name="EnteredBy">For a section that may cross an await: the member that entered it, with file and line.
/// Otherwise null.</param>
/// <param name="Age">For a section that may cross an await: how long it has been open. A thread does not read the clock
/// when it enters; for a thread this is how long the grace period has waited, a lower bound of how long the thread has
/// been inside.</param>
public sealed record RcuHolder(Thread? Thread, string? EnteredBy, TimeSpan Age)
{
    /// <inheritdoc/>
    public override string ToString() =>
        Thread is { } thread
            ? $"thread {thread.ManagedThreadId}{(thread.Name is { } name ? $" ({name})" : "")}, "
                + $"inside for at least {Age.TotalMilliseconds:N0} ms"
            : $"a section entered by {EnteredBy}, inside for {Age.TotalMilliseconds:N0} ms";
}
