namespace Crosscore.HazardPointers;

/// <summary>
/// Something that its owner has taken out of the structure and that readers may still be using, with what is to be done
/// with it when none does.
/// </summary>
internal abstract class HazardGarbage(long bytes)
{
    public HazardGarbage? Next { get; set; }

    public long Bytes => bytes;

    public abstract bool IsIn(HazardSnapshot protectedNow);

    /// <summary>Runs the caller's callback, which may throw.</summary>
    public abstract void Reclaim();
}

/// <inheritdoc/>
internal sealed class GarbageObject<T>(T value, Action<T> reclaim, long bytes) : HazardGarbage(bytes)
    where T : class
{
    public override bool IsIn(HazardSnapshot protectedNow) => protectedNow.Contains(value);

    public override void Reclaim() => reclaim(value);
}

/// <inheritdoc/>
internal sealed class GarbagePointer(Action<nint> free, long bytes) : HazardGarbage(bytes)
{
    /// <summary>
    /// Set before it is retired; apart from the constructor, so that there is a record before it is known what will be
    /// retired.
    /// </summary>
    public nint Pointer { get; set; }

    public override bool IsIn(HazardSnapshot protectedNow) => protectedNow.Contains(Pointer);

    public override void Reclaim() => free(Pointer);
}
