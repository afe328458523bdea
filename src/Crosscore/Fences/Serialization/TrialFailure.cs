namespace Crosscore;

/// <summary>Why a trial failed.</summary>
/// <param name="Reason">The reason in words.</param>
/// <param name="IsTemporary">Whether another trial may succeed, because a resource was short at the time.</param>
internal sealed record TrialFailure(string Reason, bool IsTemporary);
