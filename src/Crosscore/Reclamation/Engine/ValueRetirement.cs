namespace Crosscore.Reclamation;

/// <summary>What becomes of values that were replaced in a structure of a domain: a callback, or <see cref="IDisposable.Dispose"/>, or nothing.</summary>
internal sealed class ValueRetirement<T>(RcuDomain domain, Action<T>? reclaim, Func<T, long>? size)
    where T : class
{
    /// <summary>Whether <see cref="SizeOf"/> calls a function of the user's.</summary>
    public bool AsksForSize => size is not null;

    /// <summary>
    /// How many bytes a value keeps occupied, by the user's function; its exceptions come out. Ask before the value is
    /// replaced, so that they come out before anything has changed, and inside of a section if another
    /// thread may replace it at that time.
    /// </summary>
    /// <exception cref="InvalidOperationException">The function left a read section open.</exception>
    public long SizeOf(T value)
    {
        if (size is null)
        {
            return 0;
        }

        int depth = domain.OwnSlot?.Depth ?? 0;
        long bytes;
        bool leftOpen;
        try
        {
            bytes = size(value);
        }
        finally
        {
            // Its variables went with the function's frame, so nothing can leave it any more.
            leftOpen = domain.OwnSlot?.LeaveTo(depth) ?? false;
        }

        return leftOpen
            ? throw new InvalidOperationException(
                $"The function that tells the size of values left a read section of the domain '{domain.Name}' open; "
                    + "it has been left for it. Use 'using'.")
            : Math.Max(0, bytes);
    }

    /// <summary>
    /// Retires a value that no reader can find any more, and whose size is known. Never refuses, because no other
    /// thread knows the value any more.
    /// </summary>
    public void Retire(T old, long bytes)
    {
        if (reclaim is not null)
        {
            domain.RetireAlways(new RetiredItem<T>(old, reclaim, bytes));
        }
        else if (old is IDisposable disposable)
        {
            domain.RetireAlways(new RetiredDisposable(disposable, bytes));
        }
    }

    /// <summary>
    /// The same where its size is not known; also when the user's function throws, whose exception then comes out.
    /// </summary>
    public void Retire(T old)
    {
        long bytes = 0;
        try
        {
            bytes = SizeOf(old);
        }
        finally
        {
            Retire(old, bytes);
        }
    }
}
