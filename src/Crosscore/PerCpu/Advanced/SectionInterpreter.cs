namespace Crosscore.PerCpu.Advanced;

/// <summary>
/// Runs the steps of a section in C#, for threads without machine code. The caller holds the lock of the slot, which
/// takes the place of the kernel's restart: no other thread is in the slot from the first step to the commit.
/// </summary>
internal static unsafe class SectionInterpreter
{
    public static SectionResult Run(SectionProgram program, nint slot, int index, ReadOnlySpan<long> arguments)
    {
        Span<long> values = stackalloc long[program.Values];
        arguments[..program.Arguments].CopyTo(values);
        byte* user = (byte*)slot + program.Shape.Header;
        foreach (SectionStep step in program.Steps)
        {
            long a = step.A == SectionStep.None ? 0 : values[step.A];
            long b = step.B == SectionStep.None ? 0 : values[step.B];
            int last = program.Shape.Bytes - step.Bytes; // the last offset at which the bytes of this step fit
            if (
                step.Operation
                    is SectionOperation.LoadAt
                        or SectionOperation.StoreAt
                        or SectionOperation.CopyIn
                        or SectionOperation.CopyOut
                && (ulong)a > (ulong)(last - step.Number)
            )
            {
                return SectionResult.Left(SectionExit.OutOfSlot);
            }

            // SAFETY: offsets in the slot were checked by SectionBuilder or just above; what is reached through
            // pointers is the caller's responsibility, as SectionBuilder says of the steps that do it.
            byte* place = user + a + step.Number;
            if (step.Target != SectionStep.None)
            {
                values[step.Target] = Make(step, a, b, index, place);
            }
            else if (step.Code != 0)
            {
                if (Leaves(step, a, b))
                {
                    return SectionResult.Left(step.Code);
                }
            }
            else
            {
                Store(step, a, b, user, place);
            }
        }

        return SectionResult.Done(program.Result == SectionStep.None ? 0 : values[program.Result]);
    }

    private static long Make(SectionStep step, long a, long b, int index, byte* place) =>
        step.Operation switch
        {
            SectionOperation.Constant => step.Number,
            SectionOperation.ThisSlot => index,
            SectionOperation.Load or SectionOperation.LoadAt => Volatile.Read(ref *(long*)place),
            SectionOperation.LoadFrom => *(long*)(a + step.Number),
            SectionOperation.Add => a + b,
            SectionOperation.Subtract => a - b,
            SectionOperation.AddNumber => a + step.Number,
            SectionOperation.WrapAt => a == step.Number ? 0 : a,
            _ => throw new InvalidOperationException($"Crosscore bug: {step.Operation} makes no value."),
        };

    private static void Store(SectionStep step, long a, long b, byte* user, byte* place)
    {
        switch (step.Operation)
        {
            case SectionOperation.Store:
                *(long*)(user + step.Number) = a;
                break;
            case SectionOperation.StoreAt:
                *(long*)place = b;
                break;
            case SectionOperation.StoreTo:
                *(long*)(a + step.Number) = b;
                break;
            case SectionOperation.CopyIn:
                Buffer.MemoryCopy((void*)b, place, step.Bytes, step.Bytes);
                break;
            case SectionOperation.CopyOut:
                Buffer.MemoryCopy(place, (void*)b, step.Bytes, step.Bytes);
                break;
            case SectionOperation.CommitStore:
                Volatile.Write(ref *(long*)(user + step.Number), a);
                break;
            case SectionOperation.CommitAdd:
                Volatile.Write(ref *(long*)(user + step.Number), *(long*)(user + step.Number) + a);
                break;
            default:
                throw new InvalidOperationException($"Crosscore bug: {step.Operation} stores nothing.");
        }
    }

    private static bool Leaves(SectionStep step, long a, long b) =>
        step.Operation switch
        {
            SectionOperation.LeaveIfEqual => a == b,
            SectionOperation.LeaveIfNotEqual => a != b,
            SectionOperation.LeaveIfAtLeast => (ulong)a >= (ulong)b,
            SectionOperation.LeaveIfNumber => a == step.Number,
            SectionOperation.LeaveIfNotNumber => a != step.Number,
            _ => throw new InvalidOperationException($"Crosscore bug: {step.Operation} has no meaning."),
        };
}
