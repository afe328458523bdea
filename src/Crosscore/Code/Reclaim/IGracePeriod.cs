namespace Crosscore.Code;

/// <summary>
/// A way to know that every thread which may have been in some code at a moment has left it since. A moment is a number
/// of the implementation's own; later moments are never smaller.
/// </summary>
internal interface IGracePeriod
{
    /// <summary>The present moment; everything the caller did before is before it.</summary>
    long Now();

    /// <summary>Whether all threads have left what they were in at a moment. Does not wait.</summary>
    bool HasPassed(long moment);

    /// <summary>Whether the calling thread may wait: not where it would wait for itself.</summary>
    bool CanWait { get; }

    /// <summary>Waits until they have.</summary>
    void Wait(long moment);

    /// <summary>
    /// Waits like <see cref="Wait(long)"/>, but stops after a time: for a caller that may be inside what it waits for
    /// and cannot know it, where the wait might never end.
    /// </summary>
    /// <returns>Whether they have left.</returns>
    bool Wait(long moment, TimeSpan limit)
    {
        Wait(moment);
        return true;
    }
}
