using System.Reflection;

namespace Crosscore.Tests.Fences;

/// <summary>
/// Every number of the public interface of the fences at its smallest and largest, found by reflection.
/// </summary>
public sealed class FenceExtremesTests(ITestOutputHelper output)
{
    private static readonly Type[] Classes =
    [
        typeof(Membarrier),
        typeof(CoreSerialization),
        typeof(AsymmetricFence),
        typeof(MachineGuarantees),
    ];

    [Fact]
    public void No_extreme_number_is_accepted_and_each_is_refused_with_the_exception_for_its_range()
    {
        int tried = 0;
        foreach (
            MethodInfo method in Classes.SelectMany(type => type.GetMethods(BindingFlags.Public | BindingFlags.Static))
        )
        {
            ParameterInfo[] parameters = method.GetParameters();
            foreach (
                ParameterInfo number in parameters.Where(parameter =>
                    !parameter.IsOut && (parameter.ParameterType == typeof(int) || parameter.ParameterType.IsEnum)
                )
            )
            {
                foreach (int extreme in (int[])[int.MinValue, -1, int.MaxValue])
                {
                    object?[] arguments =
                    [
                        .. parameters.Select(parameter =>
                            parameter == number ? Value(parameter.ParameterType, extreme) : null
                        ),
                    ];
                    TargetInvocationException wrapped = Assert.Throws<TargetInvocationException>(() =>
                        method.Invoke(null, arguments)
                    );
                    ArgumentOutOfRangeException refusal = Assert.IsType<ArgumentOutOfRangeException>(
                        wrapped.InnerException
                    );
                    Assert.Equal(number.Name, refusal.ParamName);
                    tried++;
                }
            }
        }

        output.WriteLine($"{tried} extremes");
        Assert.True(tried >= 12);
    }

    [Theory]
    [InlineData("2147483647.2147483647.2147483647", true)]
    [InlineData("0.0.0", true)]
    [InlineData("2147483648.1.1", false)]
    [InlineData("5.99999999999", false)]
    public void A_release_of_extreme_numbers_is_a_release_or_none_and_promises_nothing_by_accident(
        string text,
        bool isRelease
    )
    {
        KernelRelease? release = KernelRelease.Parse(text);
        Assert.Equal(isRelease, release is not null);
        MachineGuarantee receivers = GuaranteeTable
            .Decide(
                new MachineFacts(
                    MembarrierFailure.None,
                    FakeKernel.Linux63,
                    MembarrierRegistrations.None,
                    System.Runtime.InteropServices.Architecture.X64,
                    release
                )
            )
            .Single(line => line.Promise == MachinePromise.RegisteredReceiversMemoryBarrier);
        Assert.Equal(GuaranteeAnswer.Unknown, receivers.Holds);
    }

    private static object Value(Type type, int number) => type.IsEnum ? Enum.ToObject(type, number) : number;
}
