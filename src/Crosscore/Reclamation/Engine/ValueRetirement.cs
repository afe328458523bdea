namespace Crosscore.Reclamation;

/// <summary>What becomes of values that were replaced in a structure of a domain: a callback, or <see cref="IDisposable.Dispose"/>, or nothing.</summary>
internal sealed class ValueRetirement<T>(RcuDomain domain, Action<T>? reclaim, Func<T, long>? size)
    where T : class
{
    /// <summary>Retires a value that no reader can find any more. Never refuses, because nobody else knows it any more.</summary>
    public void Retire(T old)
    {
        long bytes = 0;
        try
        {
            bytes = size is null ? 0 : Math.Max(0, size(old));
        }
        finally
        {
            // Also when the caller's function throws.
            if (reclaim is not null)
            {
                domain.RetireAlways(new RetiredItem<T>(old, reclaim, bytes));
            }
            else if (old is IDisposable disposable)
            {
                domain.RetireAlways(new RetiredDisposable(disposable, bytes));
            }
        }
    }
}
