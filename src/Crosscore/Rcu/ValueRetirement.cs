namespace Crosscore.Rcu;

/// <summary>
/// Retires values that were replaced in a structure of a domain: a callback, <see cref="IDisposable.Dispose"/> or
/// nothing.
/// </summary>
internal sealed class ValueRetirement<T>(RcuDomain domain, Action<T>? reclaim, Func<T, long>? size)
    where T : class
{
    /// <summary>Whether <see cref="SizeOf"/> calls a function of the user's.</summary>
    public bool AsksForSize => size is not null;

    /// <summary>
    /// Gets how many bytes a value occupies, from the user's function, whose exceptions are passed on. Callers ask
    /// before they replace the value, so that an exception changes nothing, and inside of a section if another thread
    /// may replace the value concurrently.
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

    /// <summary>Makes a value by the user's function, whose exceptions are passed on.</summary>
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
    /// Retires a value that no reader can find any more, and whose size is known. Never refuses, because the structure
    /// has given the value up already.
    /// </summary>
    public void Retire(T old, long bytes)
    {
        if (Item(old, bytes) is { } item)
        {
            domain.RetireAlways(item);
        }
    }

    /// <summary>Retires many values; waits for room once at most, after the last one.</summary>
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
    /// Retires a value whose size is not known; also when the user's function throws, whose exception is then passed
    /// on.
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

    /// <summary>The item that reclaims a value; null if nothing is done with it.</summary>
    private Retired? Item(T value, long bytes) =>
        reclaim is not null ? new RetiredItem<T>(value, reclaim, bytes)
        : value is IDisposable disposable ? new RetiredDisposable(disposable, bytes)
        : null;

    /// <summary>
    /// Calls a function of the user's, and leaves the read sections that it left open, also if it throws: their
    /// variables went with its frame, so nothing else can leave them any more.
    /// </summary>
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
            $"The function that {deed} left a read section of the domain '{domain.Name}' open. "
                + "The section has been left now. Enter sections with 'using'."
        );
}
