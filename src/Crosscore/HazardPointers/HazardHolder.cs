namespace Crosscore.HazardPointers;

/// <summary>A thread that keeps retired objects from being reclaimed.</summary>
/// <param name="Thread">The thread whose pointers protect them. It is alive; what a thread protected when it ended is
/// not protected any more.</param>
/// <param name="Count">How many of the retired objects they protect; at least 1.</param>
public sealed record HazardHolder(Thread Thread, int Count)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"thread {Thread.ManagedThreadId}{(Thread.Name is { } name ? $" ({name})" : "")}, protects {Count} retired";
}
