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
            switch (step.Operation)
            {
                case SectionOperation.Constant:
                    values[step.Target] = step.Number;
                    break;
                case SectionOperation.ThisSlot:
                    values[step.Target] = index;
                    break;
                case SectionOperation.Load or SectionOperation.LoadAt:
                    values[step.Target] = Volatile.Read(ref *(long*)place);
                    break;
                case SectionOperation.LoadFrom:
                    values[step.Target] = *(long*)(a + step.Number);
                    break;
                case SectionOperation.Add:
                    values[step.Target] = a + b;
                    break;
                case SectionOperation.Subtract:
                    values[step.Target] = a - b;
                    break;
                case SectionOperation.AddNumber:
                    values[step.Target] = a + step.Number;
                    break;
                case SectionOperation.WrapAt:
                    values[step.Target] = a == step.Number ? 0 : a;
                    break;
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
                    if (Leaves(step, a, b))
                    {
                        return SectionResult.Left(step.Code);
                    }

                    break;
            }
        }

        return SectionResult.Done(program.Result == SectionStep.None ? 0 : values[program.Result]);
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
