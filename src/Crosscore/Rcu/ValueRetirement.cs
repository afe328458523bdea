namespace Crosscore.Rcu;

/// <summary>
/// What becomes of values that were replaced in a structure of a domain: a callback, or
/// <see cref="IDisposable.Dispose"/>, or nothing.
/// </summary>
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

        long bytes = Call(size, value, out bool leftOpen);
        return leftOpen ? throw LeftOpen("tells the size of values") : Math.Max(0, bytes);
    }

    /// <summary>Makes a value by the user's function; its exceptions come out.</summary>
    /// <exception cref="InvalidOperationException">The function left a read section open. The value that it made is
    /// retired.</exception>
    public T? Make<TKey>(Func<TKey, T?> make, TKey key)
    {
        T? made = Call(make, key, out bool leftOpen);
        if (leftOpen)
        {
            if (made is not null)
            {
                Retire(made);
            }

            throw LeftOpen("makes values");
        }

        return made;
    }

    /// <summary>
    /// Retires a value that no reader can find any more, and whose size is known. Never refuses, because no other
    /// thread knows the value any more.
    /// </summary>
    public void Retire(T old, long bytes)
    {
        if (Item(old, bytes) is { } item)
        {
            domain.RetireAlways(item);
        }
    }

    /// <summary>The same for many values, which wait for room once at most, after the last of them.</summary>
    public void RetireAll(IEnumerable<(T Value, long Bytes)> values)
    {
        Retired? last = null;
        foreach ((T value, long bytes) in values)
        {
            if (Item(value, bytes) is { } item)
            {
                if (last is not null)
                {
                    domain.RetireAlways(last, mayWait: false);
                }

                last = item;
            }
        }

        if (last is not null)
        {
            domain.RetireAlways(last);
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

    /// <summary>What is to be done with a value; null for nothing.</summary>
    private Retired? Item(T value, long bytes) =>
        reclaim is not null ? new RetiredItem<T>(value, reclaim, bytes)
        : value is IDisposable disposable ? new RetiredDisposable(disposable, bytes)
        : null;

    /// <summary>Calls a function of the user's, and leaves what read sections it left open, also if it throws: their
    /// variables went with its frame, so nothing else can leave them any more.</summary>
    private TResult Call<TArgument, TResult>(Func<TArgument, TResult> function, TArgument argument, out bool leftOpen)
    {
        int depth = domain.OwnSlot?.Depth ?? 0;
        try
        {
            return function(argument);
        }
        finally
        {
            leftOpen = domain.OwnSlot?.LeaveTo(depth) ?? false;
        }
    }

    private InvalidOperationException LeftOpen(string deed) =>
        new(
            $"The function that {deed} left a read section of the "
                + $"domain '{domain.Name}' open; it has been left for it. "
                + "Use 'using'."
        );
}
