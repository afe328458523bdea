namespace Crosscore.Code;

/// <summary>
/// A number that only this library changes and any thread may read concurrently. Parts of it may lie elsewhere, where
/// machine code or a slot counts.
/// </summary>
internal sealed class CodeCounter
{
    private long _value;
    private Func<long>? _elsewhere;

    /// <summary>Gets the present value. With parts elsewhere it is a sum that the number may never have had.</summary>
    public long Value => Volatile.Read(ref _value) + (Volatile.Read(ref _elsewhere)?.Invoke() ?? 0);

    public void Add(long amount) => Interlocked.Add(ref _value, amount);

    /// <summary>Names where the rest is counted; once, by the one type that counts it.</summary>
    public void CountAlso(Func<long> elsewhere) => Volatile.Write(ref _elsewhere, elsewhere);
}
